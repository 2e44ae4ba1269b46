//! WIT values as WAVE text, the notation of the component tools.
