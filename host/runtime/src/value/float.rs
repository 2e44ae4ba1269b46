//! Floats with one NaN, compared by their bits, so that equal values have equal bytes.

use std::fmt;
use std::hash::{Hash, Hasher};

macro_rules! float {
    ($name:ident, $float:ty, $wit:literal) => {
        #[doc = concat!("A WIT `", $wit, "` whose NaN is always the canonical one.")]
        #[derive(Clone, Copy)]
        pub struct $name($float);

        impl $name {
            /// Wraps `value`; any NaN becomes the canonical NaN.
            pub fn new(value: $float) -> Self {
                Self(if value.is_nan() { <$float>::NAN } else { value })
            }

            /// The number itself.
            pub fn get(self) -> $float {
                self.0
            }
        }

        impl From<$float> for $name {
            fn from(value: $float) -> Self {
                Self::new(value)
            }
        }

        /// By bits: NaN equals itself, and zero does not equal minus zero.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.to_bits() == other.0.to_bits()
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.to_bits().hash(state);
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

float!(F32, f32, "f32");
float!(F64, f64, "f64");
