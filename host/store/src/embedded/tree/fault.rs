use super::meta::Hole;

/// Why a read of the tree found no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::embedded) enum Fault {
    /// A table does not read as it was written. The tree salvages it and reads again, so nobody
    /// outside of it sees this, unless that fails.
    Table { id: u64, detail: String },
    /// What the keys asked for held is lost.
    Hole(Hole),
    /// A damaged table could not be replaced.
    Salvage { detail: String },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Table { detail, .. } => write!(formatter, "damaged table {detail}"),
            Self::Hole(hole) => write!(formatter, "{}", hole.describe()),
            Self::Salvage { detail } => write!(formatter, "{detail}"),
        }
    }
}
