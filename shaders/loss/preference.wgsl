// The losses of a batch from its sequences' log-probabilities: a thread an example. Writes d loss / d logprob for each
// sequence (coefficients) and METRICS numbers for each example: loss, margin, and by how many nats a token its liked reply
// is likelier than under the base model. l is Σ logprobs, r = beta·(l − reference).
//   PAIR   m = r_chosen − r_rejected; ((1−ε)·−logσ(m) − ε·−logσ(−m)) / (1−2ε), robust DPO (Chowdhury et al. 2024)
//   UP     m = r; 1 − σ(r − z), KTO (Ethayarajh et al. 2024); with z = 0 APO-zero unpaired (D'Oosterlinck et al. 2024)
//   DOWN   m = −r; 1 − σ(z − r)
//   SFT    −l / tokens
// PAIR adds sft_weight·SFT of the chosen sequence, UP of its own. Every loss is multiplied by the example's weight,
// which carries KTO's λ and the mean over the step.
@group(0) @binding(0) var<storage, read> examples: array<Example>;
@group(0) @binding(1) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(2) var<storage, read> logprobs: array<f32>;
@group(0) @binding(3) var<storage, read_write> coefficients: array<f32>;
@group(0) @binding(4) var<storage, read_write> metrics: array<f32>;
@group(0) @binding(5) var<uniform> loss: Loss;
@group(0) @binding(6) var<uniform> batch: Batch;

const PAIR = 0u;
const UP = 1u;
const DOWN = 2u;
const SFT = 3u;

const METRICS = 3u;

struct Example {
  kind: u32,
  // Sequence of the chosen or only reply.
  first: u32,
  // Sequence of the rejected reply.
  second: u32,
  weight: f32,
}

struct Sequence {
  target_start: u32,
  target_end: u32,
  // The base model's log-probability.
  reference: f32,
  unused: u32,
}

struct Loss {
  beta: f32,
  label_smoothing: f32,
  sft_weight: f32,
  // KTO's z0.
  baseline: f32,
}

fn logprob(sequence: u32) -> f32 {
  var sum = 0.0;
  for (var i = sequences[sequence].target_start; i < sequences[sequence].target_end; i++) {
    sum += logprobs[i];
  }
  return sum;
}

fn reward(sequence: u32) -> f32 {
  return loss.beta * (logprob(sequence) - sequences[sequence].reference);
}

fn sigmoid(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(-x));
}

// −log σ(x), stable for both signs.
fn softplus_negative(x: f32) -> f32 {
  return max(-x, 0.0) + log(1.0 + exp(-abs(x)));
}

fn tokens_of(sequence: u32) -> f32 {
  return f32(sequences[sequence].target_end - sequences[sequence].target_start);
}

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= batch.examples) {
    return;
  }
  let example = examples[id.x];
  let first = example.first;
  var value = 0.0;
  var margin = 0.0;
  var coefficient = 0.0;
  var sft = loss.sft_weight;
  var chosen = (logprob(first) - sequences[first].reference) / tokens_of(first);
  switch (example.kind) {
    case PAIR: {
      margin = reward(first) - reward(example.second);
      let e = loss.label_smoothing;
      value = ((1.0 - e) * softplus_negative(margin) - e * softplus_negative(-margin)) / (1.0 - 2.0 * e);
      coefficient = -loss.beta * ((1.0 - e) * sigmoid(-margin) + e * sigmoid(margin)) / (1.0 - 2.0 * e);
      coefficients[example.second] = -coefficient * example.weight;
    }
    case UP: {
      margin = reward(first);
      let s = sigmoid(margin - loss.baseline);
      value = 1.0 - s;
      coefficient = -loss.beta * s * (1.0 - s);
    }
    case DOWN: {
      margin = -reward(first);
      let s = sigmoid(loss.baseline + margin);
      value = 1.0 - s;
      coefficient = loss.beta * s * (1.0 - s);
      sft = 0.0;
      chosen = 0.0;
    }
    default: {
      sft = 1.0;
      chosen = 0.0;
    }
  }
  value -= sft * logprob(first) / tokens_of(first);
  coefficient -= sft / tokens_of(first);
  coefficients[first] = coefficient * example.weight;
  metrics[id.x * METRICS] = value * example.weight;
  metrics[id.x * METRICS + 1u] = margin;
  metrics[id.x * METRICS + 2u] = chosen;
}
