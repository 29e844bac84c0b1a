//! Loading a model: what is saved is what is loaded, and whatever does not fit is named.

use crate::tiny;
use assert_cmd::Command;
use standpoint::error::{Error, ModelProblem};
use standpoint::model::{BaseModel, BertConfig, Model, ModelSource, Settings, Tensor, Tokenizer, Weights};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

fn load(folder: &Path) -> Result<Model, Error> {
    Model::load(&ModelSource::Folder(folder.to_owned()))
}

/// The problem found in the fixture after `spoil` has been at its folder.
fn problem(spoil: impl FnOnce(&Path)) -> ModelProblem {
    let folder = tiny::folder();
    spoil(folder.path());
    match load(folder.path()) {
        Err(Error::Model(error)) => {
            assert_eq!(error.origin, folder.path().display().to_string());
            assert!(!error.to_string().contains('\n'), "one line: {error}");
            error.problem
        }
        other => panic!("expected a model error, not {other:?}"),
    }
}

/// Replaces `from` by `to` in a file of text.
fn edit(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(file, text.replace(from, to)).unwrap();
}

/// Writes tensors of f32, as other tools would.
fn write_f32(file: &Path, weights: &Weights, prefix: &str) {
    let bytes: Vec<(String, &Tensor, Vec<u8>)> = weights
        .iter()
        .map(|(name, tensor)| {
            let bytes = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            (format!("{prefix}{name}"), tensor, bytes)
        })
        .collect();
    let views = bytes.iter().map(|(name, tensor, bytes)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, tensor.shape.clone(), bytes);
        (name, view.unwrap())
    });
    std::fs::write(file, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn what_is_saved_is_what_is_loaded() {
    let folder = tiny::folder();
    let saved = tiny::model();
    let loaded = load(folder.path()).unwrap();
    assert_eq!(loaded.config(), saved.config());
    assert_eq!(loaded.settings(), saved.settings());
    assert_eq!(loaded.tokenizer().json(), saved.tokenizer().json());
    assert_eq!(loaded.fingerprint().unwrap(), saved.fingerprint().unwrap());
    for (name, tensor) in saved.weights().iter() {
        let halved: Vec<f32> =
            tensor.values.iter().map(|value| half::f16::from_f32(*value).to_f32()).collect();
        assert_eq!(loaded.weights().values(name), halved, "{name}");
    }
    let files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files.len(), 4, "nothing else is left behind: {files:?}");
}

#[test]
fn a_plain_encoder_is_a_base_model() {
    let folder = tiny::folder();
    std::fs::remove_file(folder.path().join("standpoint.toml")).unwrap();
    write_f32(&folder.path().join("model.safetensors"), tiny::model().weights(), "bert.");
    let base = BaseModel::load(&ModelSource::Folder(folder.path().to_owned())).unwrap();
    let name = "encoder.layer.1.output.dense.weight";
    assert_eq!(base.weights.values(name), tiny::model().weights().values(name));
    assert!(base.weights.get("heads.role.weight").is_none());
}

#[test]
fn other_fields_of_the_config_are_kept() {
    let json = serde_json::to_string(&tiny::config()).unwrap().replacen(
        '{',
        "{\"architectures\":[\"BertModel\"],",
        1,
    );
    let config = BertConfig::from_json(json.as_bytes()).unwrap();
    assert!(serde_json::to_string(&config).unwrap().contains("\"architectures\":[\"BertModel\"]"));
}

#[test]
fn provenance_is_kept_as_it_stands() {
    let training: toml::Table = toml::from_str("base = \"x/y\"\n[gold]\nsha256 = \"00\"\n").unwrap();
    let settings = Settings { training, ..tiny::settings() };
    let text = toml::to_string_pretty(&settings).unwrap();
    assert_eq!(Settings::from_toml(text.as_bytes(), &tiny::config()).unwrap(), settings);
}

#[test]
fn a_missing_folder_or_file_is_named() {
    let error = load(Path::new("no/such/folder")).unwrap_err();
    assert_eq!(error.to_string(), "model no/such/folder: no such folder");
    for file in ["config.json", "tokenizer.json", "model.safetensors", "standpoint.toml"] {
        let problem = problem(|folder| std::fs::remove_file(folder.join(file)).unwrap());
        assert!(matches!(problem, ModelProblem::MissingFile { file: found } if found == file), "{problem}");
    }
}

#[test]
fn a_broken_file_is_named() {
    let problem_with = |file: &'static str, bytes: &[u8]| {
        let problem = problem(|folder| std::fs::write(folder.join(file), bytes).unwrap());
        assert!(matches!(problem, ModelProblem::Parse { file: found, .. } if found == file), "{problem}");
        problem.to_string()
    };
    problem_with("config.json", b"{\"model_type\": ");
    problem_with("tokenizer.json", b"[]");
    problem_with("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n");
    problem_with("model.safetensors", b"");
    problem_with("standpoint.toml", b"\xff");
    let message = problem_with("standpoint.toml", b"format = 1\nname = \"x\"\nversion = 2\n");
    assert!(message.starts_with("standpoint.toml is not valid: line 3: "), "{message}");
}

#[test]
fn unknown_settings_are_refused_with_their_line() {
    let problem =
        problem(|folder| edit(&folder.join("standpoint.toml"), "version =", "colour = 1\nversion ="));
    assert!(problem.to_string().contains("line 3: unknown field `colour`"), "{problem}");
}

#[test]
fn truncated_weights_are_found() {
    let problem = problem(|folder| {
        let file = folder.join("model.safetensors");
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() - 100]).unwrap();
    });
    assert!(matches!(problem, ModelProblem::Parse { file: "model.safetensors", .. }), "{problem}");
}

#[test]
fn foreign_weights_are_found() {
    let problem = problem(|folder| {
        let mut weights = Weights::default();
        weights.insert("model.embed_tokens.weight", Tensor { shape: vec![2, 2], values: vec![0.0; 4] });
        write_f32(&folder.join("model.safetensors"), &weights, "");
    });
    assert!(matches!(problem, ModelProblem::MissingTensor { .. }), "{problem}");
}

#[test]
fn a_misshapen_tensor_is_found() {
    let name = "heads.stance.bias";
    let found = problem(|folder| {
        let mut weights = tiny::model().weights().clone();
        weights.insert(name, Tensor { shape: vec![4], values: vec![0.0; 4] });
        write_f32(&folder.join("model.safetensors"), &weights, "");
    });
    assert_eq!(
        found.to_string(),
        "model.safetensors: tensor \"heads.stance.bias\" has shape [4], but config.json asks for [3]"
    );
    let found = problem(|folder| {
        edit(&folder.join("config.json"), "\"intermediate_size\": 32", "\"intermediate_size\": 33")
    });
    assert!(matches!(found, ModelProblem::Shape { .. }), "{found}");
}

#[test]
fn a_weight_that_is_no_number_is_found() {
    let spoilt = || {
        let mut weights = tiny::model().weights().clone();
        let mut tensor = weights.get("heads.role.weight").unwrap().clone();
        tensor.values[17] = f32::NAN;
        weights.insert("heads.role.weight", tensor);
        weights
    };
    let found = problem(|folder| write_f32(&folder.join("model.safetensors"), &spoilt(), ""));
    assert!(matches!(&found, ModelProblem::NotFinite { name } if name == "heads.role.weight"), "{found}");
    let tokenizer = Arc::new(tiny::tokenizer());
    assert!(Model::new("spoilt", tiny::config(), tiny::settings(), tokenizer, spoilt()).is_err());
}

#[test]
fn labels_in_another_order_are_found() {
    let problem = problem(|folder| {
        let file = folder.join("standpoint.toml");
        edit(&file, "\"claim\"", "\"x\"");
        edit(&file, "\"attributed\"", "\"claim\"");
        edit(&file, "\"x\"", "\"attributed\"");
    });
    assert_eq!(
        problem.to_string(),
        "standpoint.toml: labels of role are [\"attributed\", \"claim\", \"background\"], but must be [\"claim\", \
         \"attributed\", \"background\"], in this order"
    );
}

#[test]
fn settings_out_of_range_are_found() {
    for (from, to, field) in [
        ("format = 1", "format = 2", "format"),
        ("max_tokens = 64", "max_tokens = 512", "max_tokens"),
        ("temperature = 1.25", "temperature = 0.0", "role.temperature"),
        ("temperature = 1.25", "temperature = nan", "role.temperature"),
        ("\"withdrawal of foreign troops\"", "\"\"", "default_target"),
    ] {
        let problem = problem(|folder| edit(&folder.join("standpoint.toml"), from, to));
        assert!(
            matches!(&problem, ModelProblem::Setting { field: found, .. } if found == field),
            "{problem}"
        );
    }
}

#[test]
fn configs_of_other_models_are_found() {
    for (from, to, field) in [
        ("\"model_type\": \"bert\"", "\"model_type\": \"roberta\"", "model_type"),
        ("\"gelu\"", "\"relu\"", "hidden_act"),
        ("\"absolute\"", "\"relative_key\"", "position_embedding_type"),
        ("\"num_attention_heads\": 2", "\"num_attention_heads\": 3", "num_attention_heads"),
        ("\"num_attention_heads\": 2", "\"num_attention_heads\": 0", "num_attention_heads"),
        ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 2000000000", "num_hidden_layers"),
    ] {
        let problem = problem(|folder| edit(&folder.join("config.json"), from, to));
        assert!(
            matches!(problem, ModelProblem::Unsupported { field: found, .. } if found == field),
            "{problem}"
        );
    }
}

#[test]
fn the_tokenizer_of_another_model_is_found() {
    let found = problem(|folder| edit(&folder.join("tokenizer.json"), "\"[SEP]\"", "\"</s>\""));
    assert!(matches!(found, ModelProblem::MissingToken { token: "[SEP]" }), "{found}");
    let found =
        problem(|folder| edit(&folder.join("tokenizer.json"), "\"years\":", "\"years\":4000,\"decades\":"));
    assert!(matches!(found, ModelProblem::Vocabulary { tokens: 4001, .. }), "{found}");
    let larger = BertConfig { vocab_size: 1000, ..tiny::config() };
    let found = Tokenizer::from_json(tiny::tokenizer_json().into_bytes().into(), &larger).unwrap_err();
    assert!(matches!(found, ModelProblem::Vocabulary { embeddings: 1000, .. }), "{found}");
}

#[test]
fn a_text_is_only_its_own_tokens() {
    let tokenizer = tiny::tokenizer();
    let special = tokenizer.special();
    assert!(tokenizer.encode("").unwrap().is_empty());
    let nine = tokenizer.encode("the the the the the the the the the").unwrap();
    assert_eq!(nine.len(), 9, "neither padded nor cut to the eight that tokenizer.json asks for");
    let written = tokenizer.encode("they [SEP] leave [CLS]").unwrap();
    assert!(!written.contains(&special.sep) && !written.contains(&special.cls), "{written:?}");
}

/// A hub of one repository, `some/tiny`; counts what it is asked.
struct Hub {
    endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    fn serve(folder: &Path) -> Self {
        let files: HashMap<String, Vec<u8>> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &files, &log);
            }
        });
        Self { endpoint, requests }
    }

    fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn answer(mut stream: TcpStream, files: &HashMap<String, Vec<u8>>, log: &Mutex<Vec<String>>) {
    let head: Vec<String> = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    log.lock().unwrap().push(head.join("\n"));
    let path = head[0].split(' ').nth(1).unwrap();
    let Some((name, bytes)) =
        path.strip_prefix("/some/tiny/resolve/main/").and_then(|name| files.get_key_value(name))
    else {
        stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .unwrap();
        return;
    };
    let range = head
        .iter()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let range = range.expect("hf-hub asks for ranges");
    let (first, last) = range.trim().split_once('-').unwrap();
    let first: usize = first.parse().unwrap();
    let last = last.parse().unwrap_or(bytes.len() - 1);
    let part = &bytes[first..=last];
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\nETag: \"{name}-1\"\r\nX-Repo-Commit: c0ffee\r\nContent-Range: bytes \
         {first}-{last}/{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        bytes.len(),
        part.len()
    )
    .unwrap();
    stream.write_all(part).unwrap();
}

/// What `classify` prints with a model and an environment of its own: labels, or the error.
fn outcome(model: &str, home: &Path, environment: &[(&str, &str)]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_standpoint"))
        .args(["classify", "-", "--model", model])
        .envs([("HF_HOME", home.to_str().unwrap()), ("NO_PROXY", "*")])
        .envs(environment.iter().copied())
        .write_stdin("The troops must leave, the minister said.")
        .output()
        .unwrap();
    let printed = if output.status.success() { output.stdout } else { output.stderr };
    String::from_utf8(printed).unwrap()
}

#[test]
fn an_unknown_hub_id_offline_is_not_in_the_cache() {
    let home = tempfile::TempDir::new().unwrap();
    let hub = Hub::serve(home.path());
    let environment = [("HF_HUB_OFFLINE", "1"), ("HF_ENDPOINT", hub.endpoint.as_str())];
    let found = outcome("some/tiny", home.path(), &environment);
    assert!(found.starts_with("error: model some/tiny: config.json is not in the local cache ("), "{found}");
    assert_eq!(hub.asked(), 0);
}

#[test]
fn a_hub_model_is_fetched_once_and_then_found_offline() {
    let home = tempfile::TempDir::new().unwrap();
    let folder = tiny::folder();
    let hub = Hub::serve(folder.path());
    let expected = outcome(folder.path().to_str().unwrap(), home.path(), &[]);
    assert!(expected.contains("\"role\""), "{expected}");
    let online = [("HF_ENDPOINT", hub.endpoint.as_str()), ("HF_TOKEN", "hf_of_the_test")];

    assert_eq!(outcome("some/tiny", home.path(), &online), expected);
    let asked = hub.asked();
    assert_eq!(asked, 8, "two requests a file");
    assert!(
        hub.requests.lock().unwrap()[0].to_ascii_lowercase().contains("authorization: bearer hf_of_the_test")
    );

    assert_eq!(outcome("some/tiny", home.path(), &online), expected);
    let offline = [("HF_ENDPOINT", hub.endpoint.as_str()), ("HF_HUB_OFFLINE", "true")];
    assert_eq!(outcome("some/tiny", home.path(), &offline), expected);
    assert_eq!(hub.asked(), asked, "nothing is fetched twice");

    let unknown = outcome("some/other", home.path(), &online);
    let start = format!("error: model some/other: config.json could not be fetched from {}: ", hub.endpoint);
    assert!(unknown.starts_with(&start) && unknown.contains("404"), "{unknown}");
}
