//! An answer that comes line by line.

use reqwest::Response;

use super::ClientError;

/// The longest line, in bytes: more than any record of a log.
const MAX_LINE_BYTES: usize = 64 << 20;

/// The lines of an answer, as they come.
pub(crate) struct Lines {
    server: String,
    response: Response,
    unread: Vec<u8>,
    /// How much of `unread` is known to hold no end of a line.
    searched: usize,
}

impl Lines {
    pub(super) fn new(server: String, response: Response) -> Self {
        Self { server, response, unread: Vec::new(), searched: 0 }
    }

    /// Waits for the next line, without its end; `None` at the end of the answer.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if the connection breaks, [`ClientError::TooLarge`].
    pub(crate) async fn next(&mut self) -> Result<Option<String>, ClientError> {
        loop {
            let found = self.unread[self.searched..].iter().position(|byte| *byte == b'\n');
            if let Some(offset) = found {
                let end = self.searched + offset;
                let line = String::from_utf8_lossy(&self.unread[..end]).into_owned();
                self.unread.drain(..=end);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.unread.len();
            if self.unread.len() > MAX_LINE_BYTES {
                let server = self.server.clone();
                return Err(ClientError::TooLarge { server, limit: MAX_LINE_BYTES });
            }
            let piece = self.response.chunk().await.map_err(|source| {
                let source = source.without_url();
                ClientError::Unreachable { server: self.server.clone(), source }
            })?;
            match piece {
                Some(piece) => self.unread.extend_from_slice(&piece),
                None => return Ok(self.rest()),
            }
        }
    }

    /// A last line without an end.
    fn rest(&mut self) -> Option<String> {
        self.searched = 0;
        let rest = std::mem::take(&mut self.unread);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }
}
