//! Are the bytes behind the last line torn or damaged? The rules of `docs/format.md`, in its order.

use serde::de::IgnoredAny;

use super::Place;
use super::line::{Record, covered, crc32c, ends_with_crc};

const SECTOR_BYTES: usize = 512;

/// The mark or end line of the last record, without its newline.
pub(super) fn control(kind: &str, place: &Place) -> Vec<u8> {
    let covered = format!(r#"{{"{kind}":{}"#, place.last);
    let crc = crc32c(place.crc.as_bytes(), covered.as_bytes());
    format!(r#"{covered},"crc":"{crc}"}}"#).into_bytes()
}

/// Refuses the bytes from `p` to the end of the file, with the number of the rule.
pub(super) fn judge(t: &[u8], p: usize, place: &Place, successor: Option<u64>) -> Result<(), u8> {
    let is_gone = |byte: &u8| matches!(byte, 0 | b'\n');
    let all_gone = |bytes: &[u8]| bytes.iter().all(is_gone);
    // A line that is the right one but for its newline is the one whose newline was lost.
    if all_gone(t) {
        return match successor {
            Some(first) if place.last.checked_add(1) != Some(first) => Err(6),
            Some(_) | None => Ok(()),
        };
    }
    let next = place.last.checked_add(1).ok_or(2)?;
    let h = &t[..t.iter().position(is_gone).unwrap_or(t.len())];
    for piece in t[h.len()..].split(is_gone) {
        if is_control_by_form(piece) {
            return Err(2);
        }
        if let Some(record) = Record::by_form(piece) {
            let batch = record.seq.checked_sub(record.b);
            let of_batch = batch.is_some() && (batch == place.batch || batch == Some(next));
            if record.seq <= next || !of_batch {
                return Err(2);
            }
        }
    }

    let controls = [control("mark", place), control("end", place)];
    let place_in_batch = place.batch.map_or(0, |batch| next - batch);
    let newline_is_there = t.get(h.len()) == Some(&b'\n');
    let (mut begins_control, mut begins_record) = (false, false);
    if let Some(record) = Record::by_form(h) {
        let right = record.seq == next
            && [0, place_in_batch].contains(&record.b)
            && Record::of(h, &place.crc).is_some();
        if newline_is_there || !right {
            return Err(3);
        }
        begins_record = true;
    } else if is_control_by_form(h) {
        if newline_is_there || !controls.iter().any(|control| control == h) {
            return Err(3);
        }
        begins_control = true;
    } else if !h.is_empty() {
        begins_control = controls.iter().any(|control| control.starts_with(h));
        begins_record = begins(h, next, place_in_batch, &place.crc);
        if !begins_control && !begins_record {
            return Err(4);
        }
    }

    let end = p + h.len();
    let gone_until = if !h.is_empty() && !end.is_multiple_of(SECTOR_BYTES) {
        t.len()
    } else {
        t.len().min((end / SECTOR_BYTES + 1) * SECTOR_BYTES - p)
    };
    if !all_gone(&t[h.len()..gone_until]) {
        return Err(4);
    }
    let alone = all_gone(&t[t.len().min(controls[0].len() + 1)..]);
    if begins_control && !begins_record && !alone {
        return Err(5);
    }
    if let Some(first) = successor {
        let of_control = (h.is_empty() || begins_control) && alone;
        if first != next || !of_control {
            return Err(6);
        }
    }
    Ok(())
}

fn is_control_by_form(line: &[u8]) -> bool {
    if ends_with_crc(line).is_none() {
        return false;
    }
    let Ok(covered) = str::from_utf8(covered(line)) else { return false };
    let number = covered.strip_prefix(r#"{"mark":"#).or(covered.strip_prefix(r#"{"end":"#));
    number.is_some_and(is_number)
}

fn is_number(digits: &str) -> bool {
    digits.parse::<u64>().is_ok_and(|number| number.to_string() == digits)
}

/// Whether the bytes are the beginning, and not the whole, of the record `seq`.
fn begins(h: &[u8], seq: u64, place_in_batch: u64, before: &str) -> bool {
    if h.iter().any(|byte| *byte < 0x20) {
        return false;
    }
    let mut heads = vec![format!(r#"{{"seq":{seq},"at":""#)];
    if place_in_batch > 0 {
        heads.push(format!(r#"{{"seq":{seq},"b":{place_in_batch},"at":""#));
    }
    heads.iter().any(|head| match h.strip_prefix(head.as_bytes()) {
        None => head.as_bytes().starts_with(h),
        Some(rest) => begins_from_time(rest, h, before),
    })
}

fn begins_from_time(rest: &[u8], h: &[u8], before: &str) -> bool {
    let form = b"0000-00-00T00:00:00.000Z\",";
    let fits = |(byte, form): (&u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == form,
    };
    if !rest.iter().zip(form).all(fits) {
        return false;
    }
    let Some(rest) = rest.get(form.len()..) else { return true };
    let Some(payload) = find(rest, br#""d":"#) else { return begins_contents(rest) };
    // The beginning of a payload, or all of it and the beginning of the checksum.
    let contents = &rest[..payload];
    let rest = &rest[payload..];
    let Some(len) = len_of(contents) else { return false };
    if rest.len() < len {
        return begins_json(rest);
    }
    let (payload, behind) = rest.split_at(len);
    let crc = crc32c(before.as_bytes(), &h[..h.len() - behind.len()]);
    let suffix = format!(r#","crc":"{crc}"}}"#);
    let whole = serde_json::from_slice::<IgnoredAny>(payload).is_ok();
    whole && behind.len() < suffix.len() && suffix.as_bytes().starts_with(behind)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let at = bytes.windows(what.len()).position(|window| window == what)?;
    Some(at + what.len())
}

/// The length that stands between the time and the payload, if all there is as it should be.
fn len_of(contents: &[u8]) -> Option<usize> {
    let contents = str::from_utf8(contents).ok()?.strip_suffix(r#","d":"#)?;
    let (before, len) = contents.split_once(r#""len":"#)?;
    if !is_number(len) || !(before.is_empty() || is_whole(before)) {
        return None;
    }
    // What no memory holds is more than there is.
    Some(usize::try_from(len.parse::<u64>().ok()?).unwrap_or(usize::MAX))
}

/// `"n":2,` or `"op":"deposit","v":1,`.
fn is_whole(before: &str) -> bool {
    let Some(before) = before.strip_suffix(',') else { return false };
    if let Some(n) = before.strip_prefix(r#""n":"#) {
        return is_number(n) && n != "0";
    }
    let Some(rest) = before.strip_prefix(r#""op":""#) else { return false };
    let Some((name, v)) = rest.split_once(r#"","v":"#) else { return false };
    name.bytes().all(is_of_a_tag) && is_number(v) && v.parse::<u32>().is_ok()
}

fn is_of_a_tag(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)
}

/// Whether what stands between the time and the payload is the beginning of what may.
fn begins_contents(rest: &[u8]) -> bool {
    let Ok(rest) = str::from_utf8(rest) else { return false };
    // However the text goes on, it is one of these once its open number or name is ended.
    let endings = [
        r#""len":1,"d":"#,
        r#"len":1,"d":"#,
        r#"en":1,"d":"#,
        r#"n":1,"d":"#,
        r#"":1,"d":"#,
        r#":1,"d":"#,
        r#"1,"d":"#,
        r#","d":"#,
        r#""d":"#,
        r#"d":"#,
        r#"":"#,
        ":",
        r#""n":1,"len":1,"d":"#,
        r#"":1,"len":1,"d":"#,
        r#":1,"len":1,"d":"#,
        r#"1,"len":1,"d":"#,
        r#","len":1,"d":"#,
        r#""op":"a","v":1,"len":1,"d":"#,
        r#"op":"a","v":1,"len":1,"d":"#,
        r#"p":"a","v":1,"len":1,"d":"#,
        r#"":"a","v":1,"len":1,"d":"#,
        r#":"a","v":1,"len":1,"d":"#,
        r#""a","v":1,"len":1,"d":"#,
        r#"a","v":1,"len":1,"d":"#,
        r#"","v":1,"len":1,"d":"#,
        r#","v":1,"len":1,"d":"#,
        r#""v":1,"len":1,"d":"#,
        r#"v":1,"len":1,"d":"#,
    ];
    let whole = |ending: &&str| len_of(format!("{rest}{ending}").as_bytes()).is_some();
    endings.iter().any(whole)
}

/// Whether the bytes are the beginning of a JSON text: it ends within, or one more digit helps.
fn begins_json(bytes: &[u8]) -> bool {
    let ended = |bytes: &[u8]| match serde_json::from_slice::<IgnoredAny>(bytes) {
        Ok(_) => None,
        Err(error) => Some(error.is_eof()),
    };
    match ended(bytes) {
        Some(true) => true,
        Some(false) => ended(&[bytes, b"0"].concat()) != Some(false),
        None => bytes.first().is_some_and(|byte| *byte == b'-' || byte.is_ascii_digit()),
    }
}
