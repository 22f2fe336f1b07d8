//! How many messages a protocol buffer holds, counted before any of them is made.
//!
//! An empty message takes two bytes of a file and hundreds of memory, so that a file of some
//! megabytes could ask for all there is. This walks the encoding along the schema of
//! [`super::proto`] and allocates nothing but the path it is on.

/// Most messages and names of a model: tens of thousands are a lot, and these are below 200 MB.
const MOST_MESSAGES: usize = 1 << 18;

/// Deepest nesting that is walked; decoding refuses what is deeper.
const MOST_NESTING: usize = 100;

/// A message, as far as what it may contain matters.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Function,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    /// Contains no other, or is a name.
    Leaf,
}

impl Kind {
    /// What field number `field` holds, if that is messages or any number of names.
    fn nested(self, field: u64) -> Option<Self> {
        Some(match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6) => Self::Graph,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            (Self::Graph, 5) | (Self::Attribute, 5) => Self::Tensor,
            (Self::Graph, 11 | 12) => Self::ValueInfo,
            (Self::ValueInfo, 2) => Self::Type,
            (Self::Type, 1) => Self::TensorType,
            (Self::TensorType, 2) => Self::Shape,
            (Self::Model, 8 | 14)
            | (Self::Function, 4 | 5)
            | (Self::Node, 1 | 2)
            | (Self::Tensor, 13)
            | (Self::Shape, 1) => Self::Leaf,
            _ => return None,
        })
    }
}

/// Refuses a model of more messages than any real one has. What is no protocol buffer passes:
/// decoding stops where this does, and says why.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let mut count = 0;
    match walk(bytes, Kind::Model, 0, &mut count) {
        Some(()) => Ok(()),
        None => Err(format!("it holds more than {MOST_MESSAGES} messages")),
    }
}

/// `None` once there are too many messages.
fn walk(mut bytes: &[u8], kind: Kind, depth: usize, count: &mut usize) -> Option<()> {
    if matches!(kind, Kind::Leaf) || depth > MOST_NESTING {
        return Some(());
    }
    while let Some((field, content)) = next(&mut bytes) {
        let Some(nested) = kind.nested(field) else { continue };
        *count += 1;
        if *count > MOST_MESSAGES {
            return None;
        }
        walk(content, nested, depth + 1, count)?;
    }
    Some(())
}

/// The next field: its number, and its content if that is delimited by a length.
fn next<'a>(bytes: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let key = varint(bytes)?;
    let length = match key & 7 {
        0 => {
            varint(bytes)?;
            return Some((key >> 3, &[]));
        }
        1 => 8,
        2 => usize::try_from(varint(bytes)?).ok()?,
        // Groups, which decoding skips: what is in them counts all the same.
        3 | 4 => return Some((0, &[])),
        5 => 4,
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((key >> 3, content))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{AttributeProto, GraphProto, ModelProto, NodeProto};
    use prost::Message;

    /// A model of one node with empty attributes.
    fn model(attributes: usize) -> Vec<u8> {
        let attribute = vec![AttributeProto::default(); attributes];
        let node = vec![NodeProto { attribute, ..NodeProto::default() }];
        let graph = Some(GraphProto { node, ..GraphProto::default() });
        ModelProto { graph, ..ModelProto::default() }.encode_to_vec()
    }

    #[test]
    fn empty_messages_by_the_thousand_are_refused() {
        // The graph and the node count, too.
        assert_eq!(check(&model(MOST_MESSAGES - 2)), Ok(()));
        let bytes = model(MOST_MESSAGES - 1);
        assert!(bytes.len() < 1 << 20, "{} bytes", bytes.len());
        assert!(check(&bytes).unwrap_err().contains("messages"));
        assert!(super::super::OnnxModel::from_bytes(&bytes, "a.onnx".as_ref()).is_err());
    }

    #[test]
    fn nothing_hides_behind_a_group() {
        // An empty group of field 2, then a graph of empty nodes.
        let nodes: Vec<u8> = [0x0a, 0x00].repeat(MOST_MESSAGES);
        let mut bytes = vec![0x13, 0x14, 0x3a];
        prost::encoding::encode_varint(nodes.len() as u64, &mut bytes);
        bytes.extend(nodes);
        assert!(check(&bytes).is_err());
    }

    #[test]
    fn what_is_no_protocol_buffer_passes() {
        let whole = model(3);
        for length in 0..whole.len() {
            assert_eq!(check(&whole[..length]), Ok(()));
        }
        for bytes in [&b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"junk", b"\x3a\xff"] {
            assert_eq!(check(bytes), Ok(()));
        }
    }
}
