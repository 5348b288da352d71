//! `.parquet`: the text in one string column, read in batches of rows.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::error::CorpusError;
use crate::guard;

/// Rows decoded at a time: with documents of a few kilobytes, well under a megabyte.
const BATCH: usize = 128;

/// The values of one column, row group by row group.
pub struct Rows {
    path: PathBuf,
    file: SerializedFileReader<File>,
    column: usize,
    next_group: usize,
    reader: Option<ColumnReaderImpl<ByteArrayType>>,
    /// A value, or none, of each row.
    batch: std::vec::IntoIter<Option<ByteArray>>,
    name: String,
    /// What a definition level is where there is a value.
    defined: i16,
    /// Rows so far.
    row: u64,
}

impl Rows {
    pub fn open(path: &Path, column: &str) -> Result<Self, CorpusError> {
        let file = File::open(path).map_err(CorpusError::system(path, "open"))?;
        let file =
            guarded(|| SerializedFileReader::new(file)).map_err(|error| damaged(path, "it is not readable", error))?;
        let schema = file.metadata().file_metadata().schema_descr();
        let found = schema.columns().iter().position(|candidate| candidate.path().string() == column);
        let is_of_strings = |&index: &usize| {
            let descriptor = schema.column(index);
            descriptor.physical_type() == Type::BYTE_ARRAY && descriptor.max_rep_level() == 0
        };
        let Some(index) = found.filter(is_of_strings) else {
            let columns = schema.columns().iter().map(|column| column.path().string()).collect();
            return Err(CorpusError::Column { path: path.to_owned(), column: column.to_owned(), columns });
        };
        Ok(Self {
            path: path.to_owned(),
            name: column.to_owned(),
            defined: schema.column(index).max_def_level(),
            row: 0,
            file,
            column: index,
            next_group: 0,
            reader: None,
            batch: Vec::new().into_iter(),
        })
    }

    /// Decodes the next batch; false at the end of the file.
    fn fill(&mut self) -> Result<bool, CorpusError> {
        loop {
            if let Some(reader) = &mut self.reader {
                let (mut values, mut definitions) = (Vec::new(), Vec::new());
                let (rows, ..) = guarded(|| reader.read_records(BATCH, Some(&mut definitions), None, &mut values))
                    .map_err(|error| {
                        damaged(
                            &self.path,
                            &format!("the column of row group {} is damaged", self.next_group - 1),
                            error,
                        )
                    })?;
                if rows > 0 {
                    let mut values = values.into_iter();
                    let batch: Vec<Option<ByteArray>> = if self.defined == 0 {
                        values.map(Some).collect()
                    } else {
                        let defined = definitions.into_iter().map(|level| level == self.defined);
                        defined.map(|is_there| if is_there { values.next() } else { None }).collect()
                    };
                    self.batch = batch.into_iter();
                    return Ok(true);
                }
                self.reader = None;
            }
            if self.next_group == self.file.num_row_groups() {
                return Ok(false);
            }
            let group = self.next_group;
            self.next_group += 1;
            let reader =
                guarded(|| self.file.get_row_group(group).and_then(|group| group.get_column_reader(self.column)))
                    .map_err(|error| damaged(&self.path, &format!("row group {group} is not readable"), error))?;
            // `open` checked the schema; a group that disagrees with it is damaged, which is no fault of the options.
            let ColumnReader::ByteArrayColumnReader(reader) = reader else {
                let found = format!("the column of row group {group} has another type than the schema says");
                return Err(CorpusError::Parquet { path: self.path.clone(), found, source: None });
            };
            self.reader = Some(reader);
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Vec<u8>, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(value) = self.batch.next() {
                self.row += 1;
                let none =
                    || CorpusError::NoValue { path: self.path.clone(), row: self.row, column: self.name.clone() };
                return Some(value.map(|value| value.data().to_vec()).ok_or_else(none));
            }
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// What the crate reads, if it does not panic.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    guard::guarded(read).unwrap_or_else(|| Err(ParquetError::General("the file makes no sense".to_owned())))
}

fn damaged(path: &Path, found: &str, source: ParquetError) -> CorpusError {
    CorpusError::Parquet { path: path.to_owned(), found: found.to_owned(), source: Some(Box::new(source)) }
}
