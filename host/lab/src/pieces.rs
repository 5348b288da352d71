//! The text of an evaluation: documents joined and cut into pieces that are coded independently.
//!
//! Windows run over the joined documents, as in the paper, which joins documents and cuts the result into examples
//! (its section 3.2); they restart at every piece. Arithmetic coding restarts at every document, too.

/// Bytes in a piece; the default block of a stream, so that a file measures as it compresses.
pub const PIECE: usize = 1 << 16;

/// Joined text with the ends of the documents in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Piece {
    /// The text.
    pub text: Vec<u8>,
    ends: Vec<usize>,
}

impl Piece {
    /// The parts of this piece that belong to different documents.
    pub fn documents(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let ends = self.ends.iter().copied().chain([self.text.len()]);
        starts.zip(ends).map(|(start, end)| &self.text[start..end]).filter(|document| !document.is_empty())
    }
}

/// Cuts documents into pieces.
pub struct Pieces<I> {
    documents: I,
    rest: Vec<u8>,
    taken: usize,
}

impl<E, I: Iterator<Item = Result<Vec<u8>, E>>> Pieces<I> {
    /// The pieces of these documents.
    pub fn new(documents: I) -> Self {
        Self { documents, rest: Vec::new(), taken: 0 }
    }
}

impl<E, I: Iterator<Item = Result<Vec<u8>, E>>> Iterator for Pieces<I> {
    type Item = Result<Piece, E>;

    fn next(&mut self) -> Option<Result<Piece, E>> {
        let mut piece = Piece::default();
        while piece.text.len() < PIECE {
            if self.taken == self.rest.len() {
                if !piece.text.is_empty() {
                    piece.ends.push(piece.text.len());
                }
                match self.documents.next() {
                    Some(Ok(document)) => (self.rest, self.taken) = (document, 0),
                    Some(Err(error)) => return Some(Err(error)),
                    None => break,
                }
            }
            let count = (PIECE - piece.text.len()).min(self.rest.len() - self.taken);
            piece.text.extend_from_slice(&self.rest[self.taken..self.taken + count]);
            self.taken += count;
        }
        (!piece.text.is_empty()).then_some(Ok(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn pieces_hold_all_text_and_remember_documents() {
        let documents: Vec<Vec<u8>> = vec![vec![b'a'; 10], vec![b'b'; 3 * PIECE], vec![b'c'; 5], vec![b'd'; 7]];
        let pieces: Vec<Piece> = Pieces::new(documents.iter().cloned().map(Ok::<_, Infallible>))
            .map(|piece| piece.expect("no errors"))
            .collect();
        assert_eq!(pieces.len(), 4);
        assert!(pieces.iter().flat_map(|piece| &piece.text).eq(documents.iter().flatten()));
        let parts: Vec<Vec<usize>> = pieces.iter().map(|piece| piece.documents().map(<[u8]>::len).collect()).collect();
        assert_eq!(parts, [vec![10, PIECE - 10], vec![PIECE], vec![PIECE], vec![10, 5, 7]]);
        assert!(pieces.iter().flat_map(Piece::documents).all(|part| part.iter().all(|&byte| byte == part[0])));
        assert!(Pieces::new(std::iter::empty::<Result<_, Infallible>>()).next().is_none());
    }
}
