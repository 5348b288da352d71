//! The text of token shards: documents joined and cut into examples, as in the paper.

/// Documents that are joined before they are cut.
pub const DOCUMENTS: usize = 128;
/// Bytes in an example.
pub const EXAMPLE: usize = 10_240;

/// Joins documents and cuts them: every example has `length` bytes but the last of each joined sequence.
pub struct Examples<I> {
    documents: I,
    length: usize,
    /// What is left of the joined documents.
    joined: Vec<u8>,
    taken: usize,
}

impl<I: Iterator<Item = Result<Vec<u8>, E>>, E> Examples<I> {
    /// The examples of these documents, of `length` bytes: at least one.
    pub fn new(documents: I, length: usize) -> Self {
        Self { documents, length: length.max(1), joined: Vec::new(), taken: 0 }
    }
}

impl<I: Iterator<Item = Result<Vec<u8>, E>>, E> Iterator for Examples<I> {
    type Item = Result<Vec<u8>, E>;

    fn next(&mut self) -> Option<Result<Vec<u8>, E>> {
        while self.taken == self.joined.len() {
            (self.joined, self.taken) = (Vec::new(), 0);
            let mut count = 0;
            for document in self.documents.by_ref().take(DOCUMENTS) {
                count += 1;
                match document {
                    Ok(document) => self.joined.extend_from_slice(&document),
                    Err(error) => return Some(Err(error)),
                }
            }
            if count == 0 {
                return None;
            }
        }
        let end = self.taken.saturating_add(self.length).min(self.joined.len());
        let example = self.joined[self.taken..end].to_vec();
        self.taken = end;
        Some(Ok(example))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_cross_documents_and_end_with_a_joined_sequence() {
        let documents: Vec<Vec<u8>> = (0..DOCUMENTS as u8 + 2).map(|i| vec![i; 100]).collect();
        let examples: Vec<Vec<u8>> =
            Examples::new(documents.iter().cloned().map(Ok::<_, ()>), EXAMPLE).collect::<Result<_, _>>().unwrap();
        let lengths: Vec<usize> = examples.iter().map(Vec::len).collect();
        assert_eq!(lengths, [10_240, 100 * DOCUMENTS - 10_240, 200]);
        let whole =
            Examples::new(documents.iter().cloned().map(Ok::<_, ()>), usize::MAX).map(|example| example.unwrap().len());
        assert_eq!(whole.collect::<Vec<_>>(), [100 * DOCUMENTS, 200]);
        assert!(examples.concat() == documents.concat());
        assert_eq!(Examples::new(std::iter::empty::<Result<_, ()>>(), EXAMPLE).count(), 0);
        let after_empty_ones = (0..300).map(|i| Ok::<_, ()>(if i < 299 { Vec::new() } else { b"text".to_vec() }));
        assert_eq!(Examples::new(after_empty_ones, EXAMPLE).count(), 1);
    }
}
