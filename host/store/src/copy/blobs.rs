//! Blobs. Their name is their content, so what is there is right or damaged, and never in the way.

use super::{CopyError, Run};
use crate::{Digest, StoreError};

impl Run<'_> {
    /// Puts a blob into the target, or checks that it is there. One that the source does not have
    /// was only taken for the name of one, unless the source listed it.
    pub(super) async fn blob(&mut self, digest: &Digest) -> Result<(), CopyError> {
        let size = if self.is_check() {
            self.check_blob(digest).await?
        } else {
            self.copy_blob(digest).await?
        };
        if let Some(size) = size {
            self.progress.blobs += 1;
            self.progress.bytes += size as u64;
            self.tell();
        }
        Ok(())
    }

    async fn copy_blob(&self, digest: &Digest) -> Result<Option<usize>, CopyError> {
        if self.compares {
            match self.job.target.store.get_blob(digest).await {
                Ok(Some(bytes)) => return Ok(Some(bytes.len())),
                // What is damaged is put again.
                Ok(None) | Err(StoreError::Corrupt { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let Some(bytes) = self.job.source.store.get_blob(digest).await? else {
            return self.no_blob(digest);
        };
        let size = bytes.len();
        self.job.target.store.put_blob(bytes).await?;
        Ok(Some(size))
    }

    /// Reading a blob compares it with its digest.
    async fn check_blob(&self, digest: &Digest) -> Result<Option<usize>, CopyError> {
        if let Some(bytes) = self.job.target.store.get_blob(digest).await? {
            return Ok(Some(bytes.len()));
        }
        match self.job.source.store.get_blob(digest).await? {
            None => self.no_blob(digest),
            Some(bytes) => {
                let (source, target) = (format!("{} bytes", bytes.len()), "nothing".to_owned());
                Err(self.differs(format!("blob {digest}"), source, target))
            }
        }
    }

    fn no_blob(&self, digest: &Digest) -> Result<Option<usize>, CopyError> {
        let is_listed =
            self.selection.parts.as_ref().is_none_or(|parts| parts.blobs.contains(digest));
        let (digest, place) = (digest.to_string(), self.job.source.name.to_owned());
        if is_listed { Err(CopyError::BlobMissing { digest, place }) } else { Ok(None) }
    }
}
