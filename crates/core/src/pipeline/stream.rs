//! How documents go through a pipeline: a unit of text after the other is handed to the threads, a few units ahead of
//! the one whose answers are waited for. What is given out comes in the order of the input.
//!
//! A thread tokenizes a unit and leaves its batches to whichever threads are idle. Nothing waits for a unit to be
//! done but the caller, so that all threads have work until the last batch. Memory is bounded by the text of the
//! units, and of the documents that they are of, however many documents there are.

use super::{Job, LabelledPiece, Pipeline, SentenceAnswer, batch_tokens, batches};
use crate::error::Result;
use crate::label::Target;
use crate::text::{Document, Span};
use crate::window;
use rayon::{Scope, Yield};
use std::collections::VecDeque;
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::Duration;

/// A long document is read in pieces, each of which ends with the sentence that reaches this many bytes. What is said
/// of a document depends on it: windows do not go over the end of a piece, but for a sentence of context.
const PIECE: usize = 64 << 10;

/// Bytes of text for each thread in a unit: about as many batches for each as there should be at the end.
const UNIT: usize = 8 << 10;

/// Units that are being worked on at once: while one is waited for and written, the others give work.
const UNITS: usize = 4;

/// No document is read on while others of this many bytes are not yet given out.
const READ_AHEAD: usize = 4 << 20;

/// What a sentence costs beside its bytes: its answer, and the tokens that frame it.
const SENTENCE: usize = 16;

/// Some sentences of a document, to be read in windows of their own.
struct Piece<D> {
    document: D,
    sentences: Range<usize>,
}

/// Pieces that are worked on together.
struct Unit<D> {
    pieces: Vec<Piece<D>>,
    /// Bytes of the documents that end in it.
    held: usize,
}

/// A unit that is being worked on, and where its answers arrive, in any order.
struct Begun<D> {
    unit: Unit<D>,
    answers: Receiver<Result<Vec<SentenceAnswer>>>,
}

impl Pipeline {
    /// Labels documents as they come and gives them out in their order, as soon as they are done: a [`LabelledPiece`] for
    /// each, or several for a long one. What is said of a document does not depend on the others, nor on the number of
    /// threads. Documents are drawn and pieces are given out on the calling thread.
    ///
    /// # Errors
    /// As for [`Pipeline::analyze`], and what `give` fails with. Nothing is given out after it.
    pub fn stream<D>(
        &self,
        documents: impl IntoIterator<Item = D>,
        targets: &[Target],
        mut give: impl FnMut(LabelledPiece<D>) -> Result<()>,
    ) -> Result<()>
    where
        D: Deref<Target = Document> + Clone + Send + Sync,
    {
        let passes = self.passes(targets)?;
        let mut units = Units { documents: documents.into_iter(), open: None };
        let mut begun: VecDeque<Begun<D>> = VecDeque::new();
        rayon::in_place_scope(|scope| {
            loop {
                while begun.len() < UNITS {
                    let held = begun.iter().map(|begun| begun.unit.held).sum();
                    let Some(unit) = units.next(held, UNIT * rayon::current_num_threads()) else { break };
                    let (sender, answers) = channel();
                    let pieces: Vec<Piece<D>> = unit.pieces.iter().map(Piece::clone).collect();
                    let passes = passes.as_slice();
                    scope.spawn(move |scope| self.begin(scope, &pieces, passes, sender));
                    begun.push_back(Begun { unit, answers });
                }
                let Some(Begun { unit, answers }) = begun.pop_front() else { return Ok(()) };
                let mut of_pieces: Vec<_> = unit
                    .pieces
                    .iter()
                    .map(|piece| vec![None; passes.len() * piece.sentences.len()])
                    .collect();
                while let Some(answers) = next(&answers) {
                    for SentenceAnswer { piece, target, sentence, answer } in answers? {
                        let first = target * unit.pieces[piece].sentences.len();
                        of_pieces[piece][first + sentence] = Some(answer);
                    }
                }
                for (piece, answers) in unit.pieces.into_iter().zip(of_pieces) {
                    let Piece { document, sentences } = piece;
                    let analysis = self.analysis(sentences.len(), &answers, targets);
                    give(LabelledPiece { document, first: sentences.start, analysis })?;
                }
            }
        })
    }

    /// Cuts a unit into windows, and leaves these to the threads.
    fn begin<'scope, D: Deref<Target = Document>>(
        &'scope self,
        scope: &Scope<'scope>,
        pieces: &[Piece<D>],
        passes: &[Vec<u32>],
        answers: Sender<Result<Vec<SentenceAnswer>>>,
    ) {
        let jobs: Result<Vec<Vec<Job>>> =
            pieces.iter().enumerate().map(|(index, piece)| self.jobs(index, piece, passes)).collect();
        let jobs: Vec<Job> = match jobs {
            Ok(jobs) => jobs.into_iter().flatten().collect(),
            // Whoever would have received it has given up.
            Err(error) => return drop(answers.send(Err(error))),
        };
        let most = batch_tokens(&jobs);
        for batch in batches(jobs, most) {
            let answers = answers.clone();
            scope.spawn(move |_| drop(answers.send(self.answer(&batch))));
        }
    }

    /// The windows of a piece for each pass. Around it, a sentence is in sight.
    fn jobs<D: Deref<Target = Document>>(
        &self,
        index: usize,
        piece: &Piece<D>,
        passes: &[Vec<u32>],
    ) -> Result<Vec<Job>> {
        let (document, Range { start, end }) = (&piece.document, piece.sentences.clone());
        let seen = start.saturating_sub(1)..document.sentences().len().min(end + 1);
        let (max_tokens, special) = (self.settings.max_tokens, self.tokenizer.special());
        let mut sentences = Vec::with_capacity(seen.len());
        let mut places = Vec::with_capacity(seen.len());
        for sentence in &document.sentences()[seen.clone()] {
            let tokens = self.tokenizer.encode_start(sentence.slice(document.text()), max_tokens)?;
            sentences.push(tokens.ids);
            places.push(tokens.spans.into_iter().map(|place| place.moved(sentence.start())).collect());
        }
        let places: Arc<[Vec<Span>]> = places.into();
        let answered = start - seen.start..end - seen.start;
        let windows = |(target, tokens): (usize, &Vec<u32>)| {
            let windows = window::windows_of(answered.clone(), tokens, &sentences, max_tokens, special);
            let first = answered.start;
            let places = Arc::clone(&places);
            let job = move |window| Job { piece: index, target, first, window, places: Arc::clone(&places) };
            windows.into_iter().map(job)
        };
        Ok(passes.iter().enumerate().flat_map(windows).collect())
    }
}

/// Documents, cut into units.
struct Units<I, D> {
    documents: I,
    /// The document that is being cut, and where its next piece begins.
    open: Option<(D, usize)>,
}

impl<I: Iterator<Item = D>, D: Deref<Target = Document> + Clone> Units<I, D> {
    /// The next unit of about `size` bytes; nothing at the end, or as long as too many bytes are `held`.
    fn next(&mut self, held: usize, size: usize) -> Option<Unit<D>> {
        let mut unit = Unit { pieces: Vec::new(), held: 0 };
        let mut bytes = 0;
        while bytes < size {
            let (document, start) = match self.open.take() {
                Some(open) => open,
                None if held + unit.held >= READ_AHEAD => break,
                None => match self.documents.next() {
                    Some(document) => (document, 0),
                    None => break,
                },
            };
            let (sentences, weight) = piece(&document, start);
            bytes += weight;
            match sentences.end == document.sentences().len() {
                true => unit.held += document.text().len(),
                false => self.open = Some((document.clone(), sentences.end)),
            }
            unit.pieces.push(Piece { document, sentences });
        }
        (!unit.pieces.is_empty()).then_some(unit)
    }
}

/// The piece of a document that begins with a sentence, and what it costs.
fn piece(document: &Document, start: usize) -> (Range<usize>, usize) {
    let (mut end, mut weight) = (start, SENTENCE);
    for sentence in &document.sentences()[start..] {
        end += 1;
        weight += sentence.len() + SENTENCE;
        if weight >= PIECE {
            break;
        }
    }
    (start..end, weight)
}

impl<D: Clone> Clone for Piece<D> {
    fn clone(&self) -> Self {
        Self { document: self.document.clone(), sentences: self.sentences.clone() }
    }
}

/// The next message, or nothing when all senders are gone. A thread of the pool works meanwhile, as nobody else may be
/// there to do what it waits for.
fn next<T>(receiver: &Receiver<T>) -> Option<T> {
    loop {
        match receiver.try_recv() {
            Ok(message) => return Some(message),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
        match rayon::yield_now() {
            None => return receiver.recv().ok(),
            Some(Yield::Executed) => {}
            Some(Yield::Idle) => match receiver.recv_timeout(Duration::from_millis(1)) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            },
        }
    }
}
