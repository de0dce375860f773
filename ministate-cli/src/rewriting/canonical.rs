//! How is a record written that was edited by hand? Pure.
//!
//! The lengths are counted again, and the keys put in their order; everything else stays as it
//! stands there. What is no whole JSON object with the keys of a record is none.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    seq: u64,
    b: Option<u64>,
    at: &'a str,
    n: Option<u64>,
    void: Option<String>,
    op: Option<&'a str>,
    v: Option<u32>,
    #[serde(rename = "len")]
    _len: Option<IgnoredAny>,
    #[serde(borrow)]
    d: &'a RawValue,
    #[serde(rename = "crc")]
    _crc: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberFields<'a> {
    void: Option<String>,
    op: Option<&'a str>,
    v: Option<u32>,
    #[serde(rename = "len")]
    _len: Option<IgnoredAny>,
    #[serde(borrow)]
    d: &'a RawValue,
}

/// What the checksum of the record covers that the line is meant to be; `None` where it is none.
pub(super) fn canonical(line: &str) -> Option<String> {
    let Fields { seq, b, at, n, void, op, v, d, .. } = serde_json::from_str(line).ok()?;
    let place = b.map_or(String::new(), |b| format!(r#","b":{b}"#));
    let contents = match n {
        None => contents(void.as_deref(), op, v, d.get()),
        Some(n) => {
            if void.is_some() || op.is_some() || v.is_some() {
                return None;
            }
            let members: Vec<MemberFields<'_>> = serde_json::from_str(d.get()).ok()?;
            if members.len() as u64 != n {
                return None;
            }
            let member = |member: &MemberFields<'_>| {
                let MemberFields { void, op, v, d, .. } = member;
                format!("{{{}}}", contents(void.as_deref(), *op, *v, d.get()))
            };
            let members: Vec<String> = members.iter().map(member).collect();
            let array = format!("[{}]", members.join(","));
            format!(r#""n":{n},{}"#, contents(None, None, None, &array))
        }
    };
    let covered = format!(r#"{{"seq":{seq}{place},"at":"{at}",{contents}"#);
    covered.bytes().all(|byte| byte >= 0x20).then_some(covered)
}

fn contents(void: Option<&str>, op: Option<&str>, v: Option<u32>, payload: &str) -> String {
    let mut contents = String::new();
    if let Some(reason) = void {
        contents += &format!(r#""void":{},"#, Value::from(reason));
    }
    if let Some(op) = op {
        contents += &format!(r#""op":"{op}","#);
    }
    if let Some(v) = v {
        contents += &format!(r#""v":{v},"#);
    }
    contents + &format!(r#""len":{},"d":{payload}"#, payload.len())
}

#[cfg(test)]
mod tests {
    use super::canonical;

    const AT: &str = r#""at":"2026-11-22T12:00:01.000Z""#;

    #[test]
    fn lengths_are_counted_again_and_keys_put_in_their_order() {
        let edited = format!(r#"{{"op":"a","v":2, "seq":7,{AT},"d":[1, 2],"len":9,"crc":"0"}}"#);
        let expected = format!(r#"{{"seq":7,{AT},"op":"a","v":2,"len":6,"d":[1, 2]"#);
        assert_eq!(canonical(&edited), Some(expected));
    }

    #[test]
    fn lengths_of_members_are_counted_too() {
        let edited = format!(
            r#"{{"seq":7,"b":1,{AT},"n":2,"len":0,"d":[{{"op":"a","v":2,"len":1,"d":10}}, {{"d":null,"void":"x"}}]}}"#
        );
        let expected = format!(
            r#"{{"seq":7,"b":1,{AT},"n":2,"len":63,"d":[{{"op":"a","v":2,"len":2,"d":10}},{{"void":"x","len":4,"d":null}}]"#
        );
        assert_eq!(canonical(&edited), Some(expected));
    }

    #[test]
    fn what_is_no_whole_record_is_none() {
        let record = format!(r#"{{"seq":7,{AT},"op":"a","v":2,"len":3,"d":[1]}}"#);
        assert!(canonical(&record).is_some());
        for cut in 0..record.len() {
            assert_eq!(canonical(&record[..cut]), None, "{cut}");
        }
        for other in [
            record.replace("\"op\"", "\"oq\""),
            record.replace("\"seq\":7", "\"seq\":7,\"seq\":7"),
            record.replace("\"seq\":7", "\"seq\":7,\"n\":1"),
            record.replace("\"seq\":7", "\"seq\":-7"),
            record.replace("[1]", "[1,\t2]"),
            format!("{record}{record}"),
            "{}".to_string(),
        ] {
            assert_eq!(canonical(&other), None, "{other}");
        }
    }
}
