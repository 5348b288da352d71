//! `.parquet`: the text in one column of strings, read in batches of rows.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::reader::{FileReader, SerializedFileReader};

/// Rows decoded at a time: with documents of a few kilobytes, well under a megabyte.
const BATCH: usize = 128;

/// The values of one column, row group by row group. Rows without a value are skipped.
pub struct Rows {
    path: PathBuf,
    file: SerializedFileReader<File>,
    column: usize,
    next_group: usize,
    reader: Option<ColumnReaderImpl<ByteArrayType>>,
    batch: std::vec::IntoIter<ByteArray>,
}

impl Rows {
    pub fn open(path: &Path, column: &str) -> Result<Self> {
        let name = path.display();
        let file = File::open(path).with_context(|| format!("{name}: cannot open"))?;
        let file = SerializedFileReader::new(file).with_context(|| format!("{name}: not a readable Parquet file"))?;
        let schema = file.metadata().file_metadata().schema_descr();
        let found = schema.columns().iter().position(|candidate| candidate.path().string() == column);
        let Some(index) = found else {
            let columns: Vec<String> = schema.columns().iter().map(|column| column.path().string()).collect();
            bail!("{name}: no column \"{column}\"; the columns are {} (--text-field names one)", columns.join(", "));
        };
        let descriptor = schema.column(index);
        if descriptor.physical_type() != Type::BYTE_ARRAY || descriptor.max_rep_level() > 0 {
            bail!("{name}: column \"{column}\" holds no strings (--text-field names another)");
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            column: index,
            next_group: 0,
            reader: None,
            batch: Vec::new().into_iter(),
        })
    }

    /// Decodes the next batch; false at the end of the file.
    fn fill(&mut self) -> Result<bool> {
        loop {
            if let Some(reader) = &mut self.reader {
                let (mut values, mut definitions) = (Vec::new(), Vec::new());
                let (rows, ..) =
                    reader.read_records(BATCH, Some(&mut definitions), None, &mut values).with_context(|| {
                        format!("{}: row group {}: damaged column", self.path.display(), self.next_group - 1)
                    })?;
                if rows > 0 {
                    self.batch = values.into_iter();
                    return Ok(true);
                }
                self.reader = None;
            }
            if self.next_group == self.file.num_row_groups() {
                return Ok(false);
            }
            let group = self.next_group;
            self.next_group += 1;
            let reader = self
                .file
                .get_row_group(group)
                .and_then(|row_group| row_group.get_column_reader(self.column))
                .with_context(|| format!("{}: row group {group}: cannot read", self.path.display()))?;
            // The schema was checked in `open`; a group that disagrees with it is damage, not a wrong option.
            let ColumnReader::ByteArrayColumnReader(reader) = reader else {
                bail!("{}: row group {group}: the column's type is not the schema's", self.path.display());
            };
            self.reader = Some(reader);
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(value) = self.batch.next() {
                return Some(Ok(value.data().to_vec()));
            }
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
