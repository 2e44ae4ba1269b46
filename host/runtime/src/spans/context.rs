//! The W3C trace context: <https://www.w3.org/TR/trace-context/>.

use everlog_oplog::TraceContext;

/// The version that is understood, and written.
const VERSION: &str = "00";
const SAMPLED: u8 = 1;

/// Which span of which trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SpanContext {
    pub(super) trace: u128,
    pub(super) span: u64,
    /// Whether somebody wants to know of it.
    pub(super) sampled: bool,
    pub(super) state: Option<String>,
}

impl SpanContext {
    /// The caller's; `None` for what is none.
    pub(super) fn parse(given: &TraceContext) -> Option<Self> {
        let mut parts = given.traceparent.trim().split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let later = version != VERSION && version.len() == 2 && version != "ff";
        if (version != VERSION || parts.next().is_some()) && !later {
            return None;
        }
        let hex = |text: &str, length| {
            text.len() == length
                && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        if !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|trace| *trace != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|span| *span != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        let sampled = flags & SAMPLED == SAMPLED;
        Some(Self { trace, span, sampled, state: given.tracestate.clone() })
    }

    /// As it is passed on.
    pub(super) fn to_headers(&self) -> TraceContext {
        let Self { trace, span, sampled, .. } = self;
        let flags = u8::from(*sampled);
        TraceContext {
            traceparent: format!("{VERSION}-{trace:032x}-{span:016x}-{flags:02x}"),
            tracestate: self.state.clone(),
        }
    }

    /// Another span of the same trace.
    pub(super) fn with_span(&self, span: u64) -> Self {
        Self { span, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(traceparent: &str) -> TraceContext {
        TraceContext { traceparent: traceparent.to_owned(), tracestate: Some("a=b".to_owned()) }
    }

    #[test]
    fn a_context_comes_back_as_it_was() {
        for text in [
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-00ad6b7169203331-00",
        ] {
            let context = SpanContext::parse(&given(text)).unwrap();
            assert_eq!(context.to_headers(), given(text));
            assert_eq!(context.sampled, text.ends_with('1'));
        }
        let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more";
        assert!(SpanContext::parse(&given(later)).is_some());
    }

    #[test]
    fn what_is_none_is_none() {
        for text in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
        ] {
            assert_eq!(SpanContext::parse(&given(text)), None, "{text}");
        }
    }
}
