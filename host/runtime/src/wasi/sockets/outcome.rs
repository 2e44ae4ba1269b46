//! Outcomes of socket calls as the log has them.

use bincode::{Decode, Encode};
use everlog_oplog::{Category, Line, LogLevel, LogStream};
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;
use wasmtime_wasi::p2::{SocketError, SocketResult};

use super::super::WorkerState;
use crate::durable::Entered;

/// All codes there are; new ones are added by new versions of WASI only.
const CODES: [ErrorCode; 21] = [
    ErrorCode::Unknown,
    ErrorCode::AccessDenied,
    ErrorCode::NotSupported,
    ErrorCode::InvalidArgument,
    ErrorCode::OutOfMemory,
    ErrorCode::Timeout,
    ErrorCode::ConcurrencyConflict,
    ErrorCode::NotInProgress,
    ErrorCode::WouldBlock,
    ErrorCode::InvalidState,
    ErrorCode::NewSocketLimit,
    ErrorCode::AddressNotBindable,
    ErrorCode::AddressInUse,
    ErrorCode::RemoteUnreachable,
    ErrorCode::ConnectionRefused,
    ErrorCode::ConnectionReset,
    ErrorCode::ConnectionAborted,
    ErrorCode::DatagramTooLarge,
    ErrorCode::NameUnresolvable,
    ErrorCode::TemporaryResolverFailure,
    ErrorCode::PermanentResolverFailure,
];

/// An error code, recorded by its name in the WIT.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) struct Code(String);

impl From<ErrorCode> for Code {
    fn from(code: ErrorCode) -> Self {
        Self(code.name().to_owned())
    }
}

impl From<&Code> for ErrorCode {
    fn from(code: &Code) -> Self {
        CODES.into_iter().find(|known| known.name() == code.0).unwrap_or(Self::Unknown)
    }
}

/// What a socket call brought.
pub(super) type Outcome<T> = Result<T, Code>;

/// Tells an error that the guest sees from a trap.
pub(super) fn settled<T>(result: SocketResult<T>) -> SocketResult<Outcome<T>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(error.downcast().map_err(SocketError::trap)?.into())),
    }
}

impl WorkerState {
    /// A call of a socket function that neither leaves the machine nor waits.
    pub(super) fn socket_call<T: Encode + Decode<()>>(
        &mut self,
        category: Category,
        function: &'static str,
        request: &impl Encode,
        live: impl FnOnce(&mut Self) -> SocketResult<T>,
    ) -> SocketResult<T> {
        let entered = self.recorder.ask(category, function, request).map_err(SocketError::trap)?;
        let outcome = match entered {
            Entered::Replayed(outcome) => outcome,
            Entered::Live(ticket) => {
                let outcome = settled(live(self))?;
                self.recorder.tell(ticket, &outcome).map_err(SocketError::trap)?;
                outcome
            }
        };
        self.answer(function, outcome)
    }

    /// What the guest gets. Of the first refusal its log tells why, for whoever wonders.
    pub(super) fn answer<T>(&mut self, function: &str, outcome: Outcome<T>) -> SocketResult<T> {
        outcome.map_err(|code| {
            let code = ErrorCode::from(&code);
            if code == ErrorCode::AccessDenied {
                self.tell_refusal(function);
            }
            code.into()
        })
    }

    fn tell_refusal(&mut self, function: &str) {
        if std::mem::replace(&mut self.guest.network_refused, true) {
            return;
        }
        let line = Line {
            stream: LogStream::Log,
            level: Some(LogLevel::Error),
            context: Some("wasi:sockets".to_owned()),
            message: format!(
                "{function} was refused (access-denied): by the settings `network-…` of the server, which \
                 `everlog config` prints, or by the operating system"
            ),
        };
        self.recorder.with(|journal, now| journal.log(line, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_from_its_name() {
        for code in CODES {
            assert_eq!(ErrorCode::from(&Code::from(code)), code);
        }
    }
}
