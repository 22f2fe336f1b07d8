use std::path::{Path, PathBuf};
use std::process::ExitCode;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use vaegis_network::onnx::{OnnxModel, Part, Port};
use vaegis_network::{DerivativeCheck, Network, check_derivatives};
use vaegis_vae::Vae;

use crate::arguments::InspectOptions;
use crate::model::{DataFacts, is_onnx};
use crate::output;

/// Longest list of operators that is printed whole.
const MOST_ROWS: usize = 200;

/// `vaegis inspect`.
pub(crate) fn run(options: &InspectOptions) -> anyhow::Result<ExitCode> {
    let facts = DataFacts { shape: options.input_shape.clone(), beyond_unit_interval: false };
    let files: Vec<&PathBuf> =
        [&options.model.encoder, &options.model.decoder].into_iter().flatten().collect();
    let opened = options.model.open(&facts);
    let lone = options.model.model.as_deref().filter(|path| is_onnx(path) && path.is_file());
    let report = match (opened, lone) {
        (Ok(opened), _) => {
            let mut files: Vec<File> =
                files.into_iter().map(|path| File::of(path)).collect::<Result<_, _>>()?;
            files.extend(lone.map(File::of).transpose()?);
            Report {
                files,
                networks: vec![
                    NetworkReport::of("encoder", opened.vae.encoder()),
                    NetworkReport::of("decoder", opened.vae.decoder()),
                ],
                vae: Some(VaeReport::of(&opened.vae, opened.remarks)),
                problem: None,
            }
        }
        // A file that is no whole VAE may be one of two: it is shown as the graph it is.
        (Err(error), Some(path)) => {
            let model = OnnxModel::open(path)?;
            let network = whole(&model, options.input_shape.as_deref())?;
            Report {
                files: vec![File::of(path)?],
                networks: vec![NetworkReport::of("graph", &network)],
                vae: None,
                problem: Some(format!("{error:#}")),
            }
        }
        (Err(error), None) => return Err(error),
    };
    if options.json {
        output::print(&serde_json::to_string_pretty(&report)?)?;
    } else {
        output::print(report.text().trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The whole graph of a file, from its only input to all outputs.
fn whole(model: &OnnxModel, shape: Option<&[usize]>) -> anyhow::Result<Network> {
    let inputs = model.inputs();
    let [input] = inputs.as_slice() else {
        let names: Vec<String> = inputs.iter().map(Port::describe).collect();
        anyhow::bail!(
            "{}: expected one input, found {} ({})",
            model.origin().display(),
            inputs.len(),
            names.join(", ")
        );
    };
    let outputs = model.outputs();
    let to: Vec<&str> = outputs.iter().map(|port| port.name.as_str()).collect();
    let part = Part { from: &input.name, sample_shape: shape, to: &to };
    Ok(model.network(&part, &burn::tensor::Device::flex())?)
}

#[derive(Debug, Serialize)]
struct Report {
    files: Vec<File>,
    networks: Vec<NetworkReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vae: Option<VaeReport>,
    /// Why a lone file is not understood as a VAE.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// What an ONNX file says of itself.
#[derive(Debug, Serialize)]
struct File {
    path: PathBuf,
    producer: String,
    opset: i64,
    inputs: Vec<String>,
    outputs: Vec<String>,
    operators: std::collections::BTreeMap<String, usize>,
}

impl File {
    fn of(path: &Path) -> anyhow::Result<Self> {
        let model = OnnxModel::open(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            producer: model.producer(),
            opset: model.opset(),
            inputs: model.inputs().iter().map(Port::describe).collect(),
            outputs: model.outputs().iter().map(Port::describe).collect(),
            operators: model.operators(),
        })
    }
}

/// A network as it was understood.
#[derive(Debug, Serialize)]
struct NetworkReport {
    name: &'static str,
    input_shape: Vec<usize>,
    output_shapes: Vec<Vec<usize>>,
    parameters: usize,
    /// Multiply-adds of matrix products for one sample, times 2.
    flops: usize,
    /// Relative error of jvp against finite differences.
    derivative_error: f64,
    /// Relative difference of jvp and vjp.
    adjoint_error: f64,
    nodes: Vec<NodeReport>,
}

#[derive(Debug, Serialize)]
struct NodeReport {
    operator: String,
    /// 0 is the input, k the output of the k-th node.
    from: Vec<usize>,
    shape: Vec<usize>,
    parameters: usize,
}

impl NetworkReport {
    fn of(name: &'static str, network: &Network) -> Self {
        // Anything in the middle of what images hold, no two neighbours alike: a maximum of equal
        // values has no derivative. Multiples of the golden ratio spread evenly.
        let spread = |k: usize| (0.2 + 0.6 * (k as f64 * 0.618_033_988_749_895).fract()) as f32;
        let probe: Vec<f32> = (0..network.input_features()).map(spread).collect();
        let DerivativeCheck { differences, adjoint } = check_derivatives(network, &probe, 0);
        let nodes: Vec<NodeReport> = network
            .summary()
            .into_iter()
            .map(|node| NodeReport {
                operator: node.operator,
                from: node.from,
                shape: node.shape,
                parameters: node.parameters,
            })
            .collect();
        Self {
            name,
            input_shape: network.input_shape().to_vec(),
            output_shapes: (0..network.output_count())
                .map(|output| network.output_shape(output).to_vec())
                .collect(),
            parameters: nodes.iter().map(|node| node.parameters).sum(),
            flops: network.flops_per_row(),
            derivative_error: differences,
            adjoint_error: adjoint,
            nodes,
        }
    }

    fn text(&self) -> String {
        let shapes: Vec<String> = self.output_shapes.iter().map(|s| format!("{s:?}")).collect();
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        table.set_header(["", "operator", "reads", "shape", "parameters"]);
        for (position, node) in self.nodes.iter().take(MOST_ROWS).enumerate() {
            let from: Vec<String> = node.from.iter().map(usize::to_string).collect();
            let parameters =
                if node.parameters > 0 { node.parameters.to_string() } else { String::new() };
            table.add_row([
                (position + 1).to_string(),
                node.operator.clone(),
                from.join(", "),
                format!("{:?}", node.shape),
                parameters,
            ]);
        }
        for column in [0, 4] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut text = format!(
            "{}: {:?} -> {}, {} operators, {} parameters\n{}\n",
            self.name,
            self.input_shape,
            shapes.join(", "),
            self.nodes.len(),
            self.parameters,
            table.trim_fmt()
        );
        if self.nodes.len() > MOST_ROWS {
            text += &format!("... and {} more\n", self.nodes.len() - MOST_ROWS);
        }
        text + &format!(
            "derivatives agree with finite differences to {:.0e}, forward and reverse to {:.0e}\n",
            self.derivative_error, self.adjoint_error
        )
    }
}

/// What the networks are together.
#[derive(Debug, Serialize)]
struct VaeReport {
    input_shape: Vec<usize>,
    latent: usize,
    likelihood: String,
    remarks: Vec<String>,
}

impl VaeReport {
    fn of(vae: &Vae, remarks: Vec<String>) -> Self {
        Self {
            input_shape: vae.input_shape().to_vec(),
            latent: vae.latent(),
            likelihood: vae.likelihood().name(),
            remarks,
        }
    }
}

impl Report {
    fn text(&self) -> String {
        let mut text = String::new();
        for file in &self.files {
            let operators: Vec<String> =
                file.operators.iter().map(|(name, count)| format!("{count} {name}")).collect();
            text += &format!(
                "{}: by {}, operator set {}\n  takes {}\n  returns {}\n  {}\n\n",
                file.path.display(),
                if file.producer.is_empty() { "an unnamed program" } else { &file.producer },
                file.opset,
                file.inputs.join("; "),
                file.outputs.join("; "),
                operators.join(", ")
            );
        }
        for network in &self.networks {
            text += &network.text();
            text.push('\n');
        }
        if let Some(vae) = &self.vae {
            text += &format!(
                "VAE: samples {:?}, {} latents, {}\n",
                vae.input_shape, vae.latent, vae.likelihood
            );
            for remark in &vae.remarks {
                text += &format!("  {remark}\n");
            }
        }
        if let Some(problem) = &self.problem {
            text += &format!("Not a whole VAE by itself: {problem}\n");
        }
        text
    }
}
