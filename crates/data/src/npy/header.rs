//! The header of an npy file: the literal of a Python dictionary with three known keys.

use crate::array::{ByteOrder, Element};

use super::Header;

/// Most axes of an array, as in NumPy.
const MAX_AXES: usize = 64;

/// Reads the three entries, in any order.
pub(super) fn parse(text: &str) -> Result<Header, String> {
    let mut literal = Literal { rest: text };
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    literal.expect('{')?;
    while !literal.skip('}') {
        let key = literal.string()?;
        literal.expect(':')?;
        let twice = match key {
            "descr" => descr.replace(literal.descr()?).is_some(),
            "fortran_order" => fortran.replace(literal.boolean()?).is_some(),
            "shape" => shape.replace(literal.shape()?).is_some(),
            _ => return Err(format!("unknown key `{key}`")),
        };
        if twice {
            return Err(format!("`{key}` is given twice"));
        }
        if !literal.skip(',') {
            literal.expect('}')?;
            break;
        }
    }
    if !literal.rest.trim().is_empty() {
        return Err("it goes on after its end".to_owned());
    }
    let missing = |key| format!("`{key}` is missing");
    Ok(Header {
        element: descr.ok_or_else(|| missing("descr"))?,
        fortran: fortran.ok_or_else(|| missing("fortran_order"))?,
        shape: shape.ok_or_else(|| missing("shape"))?,
        length: 0,
    })
}

/// What is left to read.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    /// Takes `token` if it comes next.
    fn skip(&mut self, token: char) -> bool {
        let rest = self.rest.trim_start();
        let after = rest.strip_prefix(token);
        self.rest = after.unwrap_or(rest);
        after.is_some()
    }

    fn expect(&mut self, token: char) -> Result<(), String> {
        if self.skip(token) {
            return Ok(());
        }
        let found: String = self.rest.chars().take(12).collect();
        Err(format!("expected `{token}`, found `{found}`"))
    }

    fn string(&mut self) -> Result<&'a str, String> {
        let quote = if self.skip('"') { '"' } else { '\'' };
        if quote == '\'' {
            self.expect('\'')?;
        }
        let (string, rest) = self.rest.split_once(quote).ok_or("a string without an end")?;
        self.rest = rest;
        Ok(string)
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        word
    }

    fn boolean(&mut self) -> Result<bool, String> {
        match self.word() {
            "True" => Ok(true),
            "False" => Ok(false),
            other => Err(format!("expected True or False, found `{other}`")),
        }
    }

    fn shape(&mut self) -> Result<Vec<usize>, String> {
        self.expect('(')?;
        let mut shape = vec![];
        while !self.skip(')') {
            let word = self.word();
            // Python 2 wrote long integers so.
            let digits = word.strip_suffix('L').unwrap_or(word);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!("expected the size of an axis, found `{word}`"));
            }
            shape.push(digits.parse().map_err(|_| format!("the size {digits} is too large"))?);
            if shape.len() > MAX_AXES {
                return Err(format!("more than {MAX_AXES} axes"));
            }
            if !self.skip(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }

    /// An element type, or what else there is. Structured types are lists, of which only the end
    /// is looked for.
    fn descr(&mut self) -> Result<Result<(Element, ByteOrder), String>, String> {
        self.rest = self.rest.trim_start();
        if !self.rest.starts_with('[') {
            return Ok(element(self.string()?));
        }
        let (mut depth, mut quoted) = (0_u32, false);
        for (place, c) in self.rest.char_indices() {
            match c {
                '\'' => quoted = !quoted,
                '[' if !quoted => depth += 1,
                ']' if !quoted => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.rest = &self.rest[place + 1..];
                return Ok(Err("records (a structured dtype)".to_owned()));
            }
        }
        Err("a list without an end".to_owned())
    }
}

/// `<f4`, `|u1`, `>i8`, ...
fn element(descr: &str) -> Result<(Element, ByteOrder), String> {
    let (order, code) = match descr.chars().next() {
        Some('>') => (ByteOrder::Big, &descr[1..]),
        // `=` is the order of the machine that wrote it: little-endian but for museums.
        Some('<' | '|' | '=') => (ByteOrder::Little, &descr[1..]),
        _ => (ByteOrder::Little, descr),
    };
    let element = match code {
        "b1" | "?" => Element::Bool,
        "u1" => Element::U8,
        "i1" => Element::I8,
        "u2" => Element::U16,
        "i2" => Element::I16,
        "u4" => Element::U32,
        "i4" => Element::I32,
        "u8" => Element::U64,
        "i8" => Element::I64,
        "f2" => Element::F16,
        "f4" => Element::F32,
        "f8" => Element::F64,
        _ => {
            let kind = match code.chars().next() {
                Some('O') => "pickled Python objects",
                Some('U' | 'S' | 'a') => "text",
                Some('c') => "complex numbers",
                Some('M' | 'm') => "dates or times",
                Some('V') => "raw bytes",
                Some('f') => "floats of a size that is not read",
                _ => "an unknown type",
            };
            let descr: String = descr.chars().take(16).collect();
            return Err(format!("{kind} (dtype `{descr}`)"));
        }
    };
    Ok((element, order))
}
