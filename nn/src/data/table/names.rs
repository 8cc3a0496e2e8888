//! Columns by name or number.

use crate::data::DataError;
use crate::data::error::{label, shown};

/// The place of a column among those with these names and numbers, which are counted from 0.
pub(super) fn position(
    names: &[String],
    numbers: &[usize],
    column: &str,
    header: bool,
) -> Result<usize, DataError> {
    let named = names.iter().position(|name| name == column);
    let numbered = || {
        let number = column.parse::<usize>().ok()?.checked_sub(1)?;
        numbers.iter().position(|&j| j == number)
    };
    named.or_else(numbered).ok_or_else(|| {
        let wanted = column.to_lowercase();
        let likeness = |name: &&String| strsim::jaro_winkler(&name.to_lowercase(), &wanted);
        let mut similar: Vec<&String> = names.iter().filter(|name| likeness(name) > 0.8).collect();
        similar.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
        let similar: Vec<String> = similar.iter().take(3).map(|name| label(name)).collect();
        DataError::NoColumn {
            name: shown(column),
            similar: similar.join(" or "),
            columns: names.len(),
            first: numbers.first().map_or(1, |number| number + 1),
            left_out: numbers.iter().zip(0..).any(|(&number, place)| number != place),
            names: listed(names),
            advice: if header { "" } else { "; if the first row names them, say --header yes" },
        }
    })
}

/// The first of some names, for a message.
pub(crate) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    const MOST: usize = 12;
    let others = names.len().saturating_sub(MOST);
    let first: Vec<String> = names.iter().take(MOST).map(|name| label(name.as_ref())).collect();
    if others == 0 { first.join(", ") } else { format!("{} and {others} more", first.join(", ")) }
}
