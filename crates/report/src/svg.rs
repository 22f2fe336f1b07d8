//! Just enough SVG.
//!
//! Figures are drawn by hand rather than by a plotting crate: a dozen shapes suffice,
//! the output is small, and colours stay in the page's style sheet as classes, so one
//! drawing serves light, dark and print. Coordinates are rounded to a tenth of a unit.
//! Text and attributes are escaped here and nowhere else.

use std::fmt::{Display, Write};

/// A drawing under construction.
#[derive(Debug)]
pub(crate) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// Where text sits relative to its x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    /// Sets the height, where it is known only when all is drawn.
    pub(crate) fn set_height(&mut self, height: f64) {
        self.height = height;
    }

    /// What is drawn so far as a group, on a rectangle of class `paper`.
    pub(crate) fn on_paper(self, class: &str) -> Self {
        let mut whole = Self::new(self.width, self.height);
        whole.open(class);
        whole.rect("paper", (0.0, 0.0), (self.width, self.height), "");
        whole.body.push_str(&self.body);
        whole.close();
        whole
    }

    /// Opens a group; shapes until [`Svg::close`] inherit its class.
    pub(crate) fn open(&mut self, class: &str) {
        self.push(format_args!("<g class=\"{}\">", Escaped(class)));
    }

    pub(crate) fn close(&mut self) {
        self.body.push_str("</g>");
    }

    pub(crate) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.push(format_args!(
            "<path class=\"{}\" d=\"M{} {}L{} {}\"/>",
            Escaped(class),
            Unit(from.0),
            Unit(from.1),
            Unit(to.0),
            Unit(to.1)
        ));
    }

    /// A rectangle; `tip` is what a pointer resting on it reads.
    pub(crate) fn rect(&mut self, class: &str, at: (f64, f64), size: (f64, f64), tip: &str) {
        self.push(format_args!(
            "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"",
            Escaped(class),
            Unit(at.0),
            Unit(at.1),
            Unit(size.0.max(0.0)),
            Unit(size.1.max(0.0))
        ));
        self.finish_shape("rect", tip);
    }

    /// A path; nothing when it is empty.
    pub(crate) fn path(&mut self, class: &str, path: &Path, tip: &str) {
        if path.0.is_empty() {
            return;
        }
        self.push(format_args!("<path class=\"{}\" d=\"{}\"", Escaped(class), path.0));
        self.finish_shape("path", tip);
    }

    pub(crate) fn text(&mut self, class: &str, anchor: Anchor, at: (f64, f64), text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        self.push(format_args!(
            "<text class=\"{}\"{anchor} x=\"{}\" y=\"{}\">{}</text>",
            Escaped(class),
            Unit(at.0),
            Unit(at.1),
            Escaped(text)
        ));
    }

    /// The drawing, named and described for those who cannot see it. `id` must be
    /// unique in the page.
    pub(crate) fn finish(self, id: &str, title: &str, description: &str) -> String {
        let (id, title, description) = (Escaped(id), Escaped(title), Escaped(description));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-desc\"><title id=\"{id}-title\">{title}</title>\
             <desc id=\"{id}-desc\">{description}</desc>{}</svg>",
            Unit(self.width),
            Unit(self.height),
            self.body
        )
    }

    /// The drawing as a file of its own, with the style sheet that its classes mean. A user unit
    /// is one `unit` on paper: `px`, `pt`.
    pub(crate) fn finish_alone(
        self,
        title: &str,
        description: &str,
        style: &str,
        unit: &str,
    ) -> String {
        let (width, height) = (Unit(self.width), Unit(self.height));
        let (title, description) = (Escaped(title), Escaped(description));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}{unit}\" height=\"{height}{unit}\" role=\"img\"><title>{title}</title>\
             <desc>{description}</desc><style>{style}</style>{}</svg>\n",
            self.body
        )
    }

    /// The drawing as decoration beside words that say the same.
    pub(crate) fn finish_decoration(self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" \
             aria-hidden=\"true\">{}</svg>",
            Unit(self.width),
            Unit(self.height),
            self.body
        )
    }

    fn finish_shape(&mut self, name: &str, tip: &str) {
        if tip.is_empty() {
            self.body.push_str("/>");
        } else {
            self.push(format_args!("><title>{}</title></{name}>", Escaped(tip)));
        }
    }

    fn push(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.body.write_fmt(arguments);
    }
}

/// The data of a path.
#[derive(Debug, Default, Clone)]
pub(crate) struct Path(String);

impl Path {
    pub(crate) fn move_to(&mut self, x: f64, y: f64) {
        let _ = write!(self.0, "M{} {}", Unit(x), Unit(y));
    }

    pub(crate) fn line_to(&mut self, x: f64, y: f64) {
        let _ = write!(self.0, "L{} {}", Unit(x), Unit(y));
    }

    /// Appends path commands relative to the current position.
    pub(crate) fn relative(&mut self, commands: &str) {
        self.0.push_str(commands);
    }

    pub(crate) fn close(&mut self) {
        self.0.push('z');
    }

    /// A line through all points.
    pub(crate) fn through(points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut path = Self::default();
        for (x, y) in points {
            if path.0.is_empty() { path.move_to(x, y) } else { path.line_to(x, y) }
        }
        path
    }
}

/// A length in user units: at most one decimal, and a number whatever happens.
pub(crate) struct Unit(pub(crate) f64);

impl Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        debug_assert!(self.0.is_finite(), "a figure placed a value that is not finite");
        let tenths = if self.0.is_finite() { (self.0 * 10.0).round() as i64 } else { 0 };
        if tenths % 10 == 0 {
            write!(f, "{}", tenths / 10)
        } else {
            write!(f, "{:.1}", tenths as f64 / 10.0)
        }
    }
}

/// Text made safe for element content and quoted attributes; control characters,
/// which no markup may hold, become the replacement character.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c if c.is_control() && !matches!(c, '\n' | '\t') => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_comes_from_outside_is_escaped() {
        let mut svg = Svg::new(10.0, 10.5);
        svg.text("a\"b", Anchor::End, (1.0, 2.25), "</text><script>'&\u{0}");
        let drawing = svg.finish("id", "<t>", "d & e");
        insta::assert_snapshot!(drawing);
    }

    #[test]
    fn coordinates_are_short() {
        let path = Path::through([(1.0, 2.04), (-0.04, 3.25)]);
        assert_eq!(path.0, "M1 2L0 3.3");
    }
}
