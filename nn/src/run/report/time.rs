//! The time of the clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// A time in UTC, to the second, as ISO 8601 writes it. Years before 1970, of a clock that is not set, are 1970.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// // From `date -u -d @SECONDS +%FT%TZ`.
/// for (seconds, text) in [
///     (0, "1970-01-01T00:00:00Z"),
///     (951_782_399, "2000-02-28T23:59:59Z"),
///     (951_782_400, "2000-02-29T00:00:00Z"),
///     (1_735_689_599, "2024-12-31T23:59:59Z"),
///     (4_107_542_400, "2100-03-01T00:00:00Z"),
/// ] {
///     assert_eq!(nn::run::utc(UNIX_EPOCH + Duration::from_secs(seconds)), text);
/// }
/// ```
pub fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (mut day, mut year, mut month) = (seconds / 86_400, 1970_u64, 1);
    let february = |year: u64| {
        let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        28 + u64::from(is_leap)
    };
    while day >= 337 + february(year) {
        day -= 337 + february(year);
        year += 1;
    }
    for days in [31, february(year), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    let [hour, minute, second] = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
    format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", day + 1)
}
