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
    joined: Example,
    taken: usize,
}

/// A part of joined documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Example {
    /// Its text.
    pub text: Vec<u8>,
    /// Where documents end in it: behind the last byte of each.
    pub ends: Vec<usize>,
}

impl Example {
    /// The texts of the documents, or of their parts, and whether each ends with its document.
    pub fn documents(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let starts = std::iter::once(&0).chain(&self.ends);
        let whole = starts.zip(&self.ends).map(|(&start, &end)| (&self.text[start..end], true));
        let rest = &self.text[self.ends.last().copied().unwrap_or(0)..];
        whole.chain((!rest.is_empty()).then_some((rest, false)))
    }
}

impl<I: Iterator<Item = Result<Vec<u8>, E>>, E> Examples<I> {
    /// The examples of these documents, of `length` bytes: at least one.
    pub fn new(documents: I, length: usize) -> Self {
        Self { documents, length: length.max(1), joined: Example::default(), taken: 0 }
    }
}

impl<I: Iterator<Item = Result<Vec<u8>, E>>, E> Iterator for Examples<I> {
    type Item = Result<Example, E>;

    fn next(&mut self) -> Option<Result<Example, E>> {
        let Example { text, ends } = &mut self.joined;
        while self.taken == text.len() {
            (*text, *ends, self.taken) = (Vec::new(), Vec::new(), 0);
            let mut count = 0;
            for document in self.documents.by_ref().take(DOCUMENTS) {
                count += 1;
                match document {
                    // There is nothing to say of one without text.
                    Ok(document) if document.is_empty() => {}
                    Ok(document) => {
                        text.extend_from_slice(&document);
                        ends.push(text.len());
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
            if count == 0 {
                return None;
            }
        }
        let (start, end) = (self.taken, self.taken.saturating_add(self.length).min(text.len()));
        self.taken = end;
        let within = ends.iter().filter(|&&place| (start + 1..=end).contains(&place));
        Some(Ok(Example { text: text[start..end].to_vec(), ends: within.map(|place| place - start).collect() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_cross_documents_and_end_with_a_joined_sequence() {
        let documents: Vec<Vec<u8>> = (0..DOCUMENTS as u8 + 2).map(|i| vec![i; 100]).collect();
        let examples = |length| -> Vec<Example> {
            Examples::new(documents.iter().cloned().map(Ok::<_, ()>), length).collect::<Result<_, _>>().unwrap()
        };
        let lengths = |examples: &[Example]| examples.iter().map(|example| example.text.len()).collect::<Vec<_>>();
        let cut = examples(EXAMPLE);
        assert_eq!(lengths(&cut), [10_240, 100 * DOCUMENTS - 10_240, 200]);
        assert_eq!(lengths(&examples(usize::MAX)), [100 * DOCUMENTS, 200]);
        assert!(cut.iter().flat_map(|example| example.text.clone()).collect::<Vec<u8>>() == documents.concat());
        // Of the documents, one is cut in two.
        let parts: Vec<(&[u8], bool)> = cut.iter().flat_map(Example::documents).collect();
        assert_eq!(parts.len(), documents.len() + 1);
        assert_eq!((parts[102], parts[103]), ((&[102; 40][..], false), (&[102; 60][..], true)));
        assert!(parts.iter().filter(|(_, is_end)| !is_end).count() == 1);
        // An end belongs to the example of the text before it.
        assert_eq!(examples(100)[7], Example { text: vec![7; 100], ends: vec![100] });
        assert_eq!(Examples::new(std::iter::empty::<Result<_, ()>>(), EXAMPLE).count(), 0);
        let after_empty_ones = (0..300).map(|i| Ok::<_, ()>(if i < 299 { Vec::new() } else { b"text".to_vec() }));
        assert_eq!(Examples::new(after_empty_ones, EXAMPLE).count(), 1);
    }
}
