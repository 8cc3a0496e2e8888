//! Dates as numbers.

/// The seconds of a day.
const DAY: i64 = 86_400;

/// The seconds from 1970-01-01T00:00:00 UTC to a date, or none if the text is no date: a day as 2024-01-31, alone or with a time of
/// day behind T or a blank, as 10:00, 10:00:00 or 10:00:00.25, and with an offset from UTC, as Z, +02:00, +0200 or +02. Without an
/// offset it is UTC. (RFC 3339, with more parts that may be left out.)
///
/// ```
/// use nn::data::read_date;
///
/// assert_eq!(read_date("2001-09-09T01:46:40Z"), Some(1e9));
/// assert_eq!(read_date("2001-09-09 03:46:40.5+02:00"), Some(1e9 + 0.5));
/// assert_eq!(read_date("2001-02-29"), None);
/// ```
pub fn read_date(text: &str) -> Option<f64> {
    let text = text.trim();
    let (date, time) =
        text.split_once(['T', 't', ' ']).map_or((text, None), |(date, time)| (date, Some(time)));
    let (year, rest) = date.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let (year, month, day) = (whole(year, 4, 9999)?, whole(month, 2, 12)?, whole(day, 2, 31)?);
    let days = days_from_civil(year, month, day);
    // A day that is not in its month, such as the 30th of February, is another one when it comes back.
    if civil_from_days(days) != (year, month, day) {
        return None;
    }
    let seconds = time.map_or(Some(0.0), time_of_day)?;
    Some((days * DAY) as f64 + seconds)
}

/// A date for a message, to the second, from the seconds since 1970-01-01T00:00:00 UTC: 2024-01-31 at midnight, otherwise
/// 2024-01-31T10:00:00Z.
pub fn write_date(seconds: f64) -> String {
    let seconds = seconds.round() as i64;
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY));
    let (hour, minute, second) =
        (seconds.rem_euclid(DAY) / 3600, seconds.rem_euclid(3600) / 60, seconds.rem_euclid(60));
    match seconds.rem_euclid(DAY) {
        0 => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
    }
}

/// The seconds since midnight, UTC.
fn time_of_day(text: &str) -> Option<f64> {
    let (clock, offset) = match text.find(['Z', 'z', '+', '-']) {
        Some(at) => (text[..at].trim_end(), offset(&text[at..])?),
        None => (text, 0),
    };
    let mut parts = clock.splitn(3, ':');
    let (hour, minute) = (whole(parts.next()?, 2, 23)?, whole(parts.next()?, 2, 59)?);
    let (second, fraction) = match parts.next().map(|part| part.split_once(['.', ',']).unwrap_or((part, "0")))
    {
        // 60 is a leap second.
        Some((second, fraction)) => (whole(second, 2, 60)?, fraction),
        None => (0, "0"),
    };
    let digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let fraction: f64 = format!("0.{fraction}").parse().ok().filter(|_| digits)?;
    Some((3600 * hour + 60 * minute + second - offset) as f64 + fraction)
}

/// The seconds by which a clock is ahead of UTC.
fn offset(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) =
        if let Some(rest) = text.strip_prefix('+') { (1, rest) } else { (-1, text.strip_prefix('-')?) };
    let (hours, minutes) = rest.split_at_checked(2)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    let minutes = if rest.len() == 2 { 0 } else { whole(minutes, 2, 59)? };
    Some(sign * (3600 * whole(hours, 2, 23)? + 60 * minutes))
}

/// A number of so many digits, up to `most`.
fn whole(text: &str, digits: usize, most: i64) -> Option<i64> {
    let valid = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| valid && *number <= most)
}

/// The days from 1970-01-01 to a day of the Gregorian calendar. Years begin in March here, so that the day that is only sometimes
/// there is the last one. (Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil` and `civil_from_days`.)
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + 365 * year + year / 4 - year / 100 + day - 719_468
}

/// Year, month and day of so many days after 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let (era, day) = ((days + 719_468).div_euclid(146_097), (days + 719_468).rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (400 * era + year + i64::from(month <= 2), month, day)
}
