//! Tells a script's output from the frame line that ends it, on a stream that may carry any bytes, and keeps as much
//! of the output as is worth keeping.

use tokio::io::{AsyncRead, AsyncReadExt};

/// How much of an output is kept from its beginning, in bytes.
const HEAD: usize = 1 << 20;
/// How much of what comes after that is kept from its end.
const TAIL: usize = 64 << 10;
/// The longest frame line.
const LONGEST_FRAME: usize = 512;

/// An output of any length: its first mebibyte, its last 64 KiB, and how long it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    head: Vec<u8>,
    tail: Vec<u8>,
    total: u64,
}

impl Capture {
    /// An output that is these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut capture = Self::default();
        capture.push(bytes);
        capture
    }

    fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let (first, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
        self.head.extend_from_slice(first);
        self.tail.extend_from_slice(rest);
        if self.tail.len() > 2 * TAIL {
            self.tail.drain(..self.tail.len() - TAIL);
        }
    }

    /// How many bytes it had.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// All of it, if all was kept.
    #[must_use]
    pub fn whole(&self) -> Option<&[u8]> {
        self.tail.is_empty().then_some(self.head.as_slice())
    }

    /// For people: its last `most` bytes, made printable.
    #[must_use]
    pub fn end(&self, most: usize) -> String {
        let bytes = if self.tail.is_empty() {
            &self.head
        } else {
            &self.tail
        };
        let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(most)..]);
        printable(text.trim_end())
    }
}

/// Whether a character could act on a terminal: a control character, or one that turns the direction of what follows.
pub(crate) fn acts_on_a_terminal(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

/// Text without what could act on a terminal: such characters are escaped, but for line ends and tabs.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let plain = !acts_on_a_terminal(c) || c == '\n' || c == '\t';
            let escaped = (!plain).then(|| c.escape_default());
            plain
                .then_some(c)
                .into_iter()
                .chain(escaped.into_iter().flatten())
        })
        .collect()
}

/// One of a channel's two answer streams.
pub(crate) struct FrameReader<R> {
    stream: R,
    /// What ends an output: a line end, the channel's nonce and a space.
    mark: Vec<u8>,
    /// Read, and not yet told to be output or frame.
    pending: Vec<u8>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(stream: R, nonce: &str) -> Self {
        Self {
            stream,
            mark: format!("\n{nonce} ").into_bytes(),
            pending: Vec::new(),
        }
    }

    /// Reads to the end of the next frame line: the output before it, and what it says behind the nonce.
    /// Fails with `UnexpectedEof`, and what was read last, when the stream ends first.
    pub(crate) async fn next(&mut self) -> std::io::Result<(Capture, String)> {
        let mut output = Capture::default();
        loop {
            if let Some(at) = find(&self.pending, &self.mark) {
                output.push(&self.pending[..at]);
                self.pending.drain(..at + self.mark.len());
                return Ok((output, self.line().await?));
            }
            // All but the beginning of what may be a mark is output.
            let certain = self.pending.len().saturating_sub(self.mark.len() - 1);
            output.push(&self.pending[..certain]);
            self.pending.drain(..certain);
            if !self.fill().await? {
                output.push(&self.pending);
                return Err(ended(&output.end(300)));
            }
        }
    }

    async fn line(&mut self) -> std::io::Result<String> {
        loop {
            if let Some(at) = self.pending.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=at).collect();
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            if self.pending.len() > LONGEST_FRAME {
                return Err(std::io::Error::new(
                    std::io::ErrorKind::InvalidData,
                    "a frame line without an end",
                ));
            }
            if !self.fill().await? {
                return Err(ended(""));
            }
        }
    }

    /// Reads some more; false at the end of the stream.
    async fn fill(&mut self) -> std::io::Result<bool> {
        self.pending.reserve(64 << 10);
        Ok(self.stream.read_buf(&mut self.pending).await? > 0)
    }
}

fn ended(said: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::UnexpectedEof, said.to_owned())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let last = haystack.len().checked_sub(needle.len())?;
    let mut from = 0;
    while from <= last {
        let line_end = haystack[from..=last].iter().position(|&b| b == needle[0])?;
        from += line_end;
        if haystack[from..].starts_with(needle) {
            return Some(from);
        }
        from += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Delivers a byte at a time, so that every mark is cut everywhere.
    struct Dribble(std::collections::VecDeque<u8>);

    impl AsyncRead for Dribble {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buf: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            if let Some(byte) = self.0.pop_front() {
                buf.put_slice(&[byte]);
            }
            std::task::Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_output_is_told_from_its_frame_whatever_bytes_it_has() -> anyhow::Result<()> {
        let output = b"\n\nn0nc\nn0nce\0\xff\nn0nce";
        let stream = [output, b"\nn0nce 1 0 ok\n\nn0nce 2 7 ok\n".as_slice()].concat();
        let mut reader = FrameReader::new(Dribble(stream.into()), "n0nce");
        let (first, frame) = reader.next().await?;
        assert_eq!(first.whole(), Some(output.as_slice()));
        assert_eq!(frame, "1 0 ok");
        let (second, frame) = reader.next().await?;
        assert_eq!((second.total(), frame.as_str()), (0, "2 7 ok"));
        let end = reader.next().await.map_err(|e| e.kind());
        assert_eq!(end, Err(std::io::ErrorKind::UnexpectedEof));
        Ok(())
    }

    #[tokio::test]
    async fn of_a_long_output_both_ends_are_kept() -> anyhow::Result<()> {
        let mut stream = b"first".to_vec();
        stream.extend(std::iter::repeat_n(b'\n', 10 << 20));
        stream.extend(b"last\nn0nce 1 0 ok\n");
        let (output, _) = FrameReader::new(stream.as_slice(), "n0nce").next().await?;
        assert_eq!(output.total(), (10 << 20) + 9);
        assert_eq!(output.whole(), None);
        assert!(output.head.starts_with(b"first") && output.head.len() == HEAD);
        assert!(output.end(4) == "last" && output.tail.len() <= 2 * TAIL);
        Ok(())
    }

    #[test]
    fn what_a_guest_says_cannot_act_on_the_terminal() {
        assert_eq!(printable("a\x1b[2Jé\tb\n"), "a\\u{1b}[2Jé\tb\n");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
    }
}
