//! A checker for the little HTML that the report writes: every tag is closed in order,
//! ids are unique and refer to something, and nothing is fetched from anywhere.
#![allow(unreachable_pub)]

use std::collections::HashSet;

const VOID: [&str; 4] = ["meta", "br", "img", "!doctype"];

/// Checks a page and returns its text, tags removed.
///
/// # Panics
/// Says what is wrong, and where.
pub fn check(page: &str) -> String {
    let (mut open, mut text) = (Vec::<String>::new(), String::new());
    let (mut ids, mut wanted) = (HashSet::new(), Vec::new());
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        let near: String = rest[start..].chars().take(80).collect();
        let end = rest[start..].find('>').unwrap_or_else(|| panic!("unclosed tag: {near}"));
        let tag = &rest[start + 1..start + end];
        rest = &rest[start + end + 1..];
        assert!(!tag.contains('<'), "a tag inside a tag: {near}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed out of order: {near}");
            text.push(' ');
            continue;
        }
        let name = tag.split([' ', '\n', '/']).next().unwrap_or_default().to_owned();
        for (key, value) in attributes(tag) {
            match key {
                "id" => assert!(ids.insert(value.to_owned()), "id {value} is used twice"),
                "aria-labelledby" | "aria-describedby" => {
                    wanted.extend(value.split(' ').map(str::to_owned));
                }
                "href" => wanted.push(value.strip_prefix('#').expect("a local link").to_owned()),
                "d" => assert!(!value.contains("NaN") && !value.contains("inf"), "{near}"),
                "src" => assert!(value.starts_with("data:image/png;base64,"), "fetches {value}"),
                _ => {}
            }
            let namespace = key == "xmlns" && value == "http://www.w3.org/2000/svg";
            assert!(namespace || !value.contains("//") || key == "src", "an address in {near}");
        }
        match name.as_str() {
            "td" | "th" => {
                text.push_str(" | ");
                open.push(name);
            }
            "script" | "link" | "iframe" => panic!("unexpected element: {near}"),
            "style" => {
                let end = rest.find("</style>").expect("style is closed");
                let style = &rest[..end];
                assert!(!style.contains("url(") && !style.contains("@import"), "style fetches");
                rest = &rest[end..];
                open.push(name);
            }
            void if VOID.contains(&void) => {}
            _ if tag.ends_with('/') => {}
            _ => open.push(name),
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    for id in wanted {
        assert!(ids.contains(&id), "nothing has id {id}");
    }
    let text = text
        .replace("&#x2f;", "/")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    for wrong in ["NaN", "undefined"] {
        assert!(!text.contains(wrong), "the page says {wrong}");
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn attributes(tag: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = tag;
    while let Some(equals) = rest.find("=\"") {
        let key = rest[..equals].rsplit([' ', '\n']).next().unwrap_or_default();
        let value = &rest[equals + 2..];
        let end = value.find('"').expect("an attribute is closed");
        found.push((key, &value[..end]));
        rest = &value[end + 1..];
    }
    found
}
