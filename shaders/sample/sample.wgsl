// Draws the next token from logits[VOCAB]: repetition penalty (Keskar et al. 2019) → temperature → top-k → top-p (Holtzman
// et al. 2020) → min-p (Nguyen et al. 2024) → inverse CDF over the survivors in order of their index. Ties at a threshold
// all survive. Temperature 0 takes the likeliest, the lowest index among equals. One workgroup; thresholds are found by
// bisection over the ordered bits of a float, so nothing is sorted.
// Marks the token as seen and writes it into `token`, from where the next step's embedding takes it.
@group(0) @binding(0) var<storage, read_write> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> seen: array<u32>;
@group(0) @binding(2) var<storage, read_write> tokens: array<Token>;
// (token, bits of its log-probability under the unchanged distribution)
@group(0) @binding(3) var<storage, read_write> sampled: array<u32>;
@group(0) @binding(4) var<uniform> sampling: Sampling;

struct Sampling {
  temperature: f32,
  top_p: f32,
  min_p: f32,
  repetition_penalty: f32,
  top_k: u32,
  seed: u32,
  unused_0: u32,
  unused_1: u32,
}

const THREADS = 64u;
// Weights lie below 2^30 in their bits; a fixed count keeps the control flow uniform, as barriers demand.
const BISECTIONS = 30u;
const SPAN = (VOCAB + THREADS - 1u) / THREADS;

var<workgroup> partials: array<f32, THREADS>;
var<workgroup> counts: array<u32, THREADS>;
var<workgroup> winner: u32;

fn total(value: f32, thread: u32) -> f32 {
  workgroupBarrier();
  partials[thread] = value;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < THREADS; i++) {
    sum += partials[i];
  }
  return sum;
}

fn largest(value: f32, thread: u32) -> f32 {
  workgroupBarrier();
  partials[thread] = value;
  workgroupBarrier();
  var result = partials[0];
  for (var i = 1u; i < THREADS; i++) {
    result = max(result, partials[i]);
  }
  return result;
}

fn count_all(value: u32, thread: u32) -> u32 {
  workgroupBarrier();
  counts[thread] = value;
  workgroupBarrier();
  var sum = 0u;
  for (var i = 0u; i < THREADS; i++) {
    sum += counts[i];
  }
  return sum;
}

// PCG hash (Jarzynski & Olano 2020), one draw for each (seed, position).
fn hash(value: u32) -> u32 {
  let state = value * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) thread: u32) {
  let start = thread * SPAN;
  let end = min(start + SPAN, VOCAB);
  // Normalizer of the unchanged distribution, for the log-probability that is reported.
  var own = -1e30;
  for (var i = start; i < end; i++) {
    own = max(own, logits[i]);
  }
  let raw_maximum = largest(own, thread);
  var mass = 0.0;
  for (var i = start; i < end; i++) {
    mass += exp(logits[i] - raw_maximum);
  }
  let raw_lse = raw_maximum + log(total(mass, thread));

  // Penalty and temperature, in place; what was raw is recovered by recomputing the inverse for the winner alone.
  let inverse_temperature = select(1.0 / max(sampling.temperature, 1e-6), 1.0, sampling.temperature == 0.0);
  own = -1e30;
  for (var i = start; i < end; i++) {
    var value = logits[i];
    if (seen[i] != 0u) {
      value = select(value * sampling.repetition_penalty, value / sampling.repetition_penalty, value > 0.0);
    }
    value *= inverse_temperature;
    logits[i] = value;
    own = max(own, value);
  }
  let maximum = largest(own, thread);

  // Every threshold is a weight w = exp(logit − maximum) in (0, 1], whose bits are ordered like its value.
  var threshold = 0.0;
  if (sampling.temperature == 0.0) {
    threshold = 1.0;
  } else {
    if (sampling.top_k > 0u && sampling.top_k < VOCAB) {
      threshold = top_k_threshold(start, end, maximum, thread);
    }
    if (sampling.top_p < 1.0) {
      threshold = max(threshold, top_p_threshold(start, end, maximum, threshold, thread));
    }
    threshold = max(threshold, sampling.min_p);
  }

  var kept = 0.0;
  for (var i = start; i < end; i++) {
    let w = exp(logits[i] - maximum);
    kept += select(0.0, w, w >= threshold);
  }
  let all_kept = total(kept, thread);
  let uniform_draw = f32(hash(sampling.seed ^ hash(tokens[0].position)) >> 8u) / 16777216.0;
  let goal = select(uniform_draw * all_kept, 0.0, sampling.temperature == 0.0);
  var before = 0.0;
  for (var i = 0u; i < thread; i++) {
    before += partials[i];
  }
  if (thread == 0u) {
    winner = VOCAB;
  }
  workgroupBarrier();
  // Exactly one thread's span holds the goal; the last survivor serves where rounding leaves a gap at the end.
  let last = before + kept >= all_kept * 0.999999 && kept > 0.0;
  if (kept > 0.0 && goal >= before && (goal < before + kept || last)) {
    var sum = before;
    var choice = VOCAB;
    for (var i = start; i < end; i++) {
      let w = exp(logits[i] - maximum);
      if (w >= threshold && (choice == VOCAB || sum <= goal)) {
        choice = i;
        sum += w;
      }
    }
    winner = choice;
  }
  workgroupBarrier();
  if (thread == 0u) {
    let token = winner;
    var value = logits[token] / inverse_temperature;
    if (seen[token] != 0u) {
      value = select(value / sampling.repetition_penalty, value * sampling.repetition_penalty, value > 0.0);
    }
    seen[token] = 1u;
    sampled[0] = token;
    sampled[1] = bitcast<u32>(value - raw_lse);
    tokens[0].id = token;
    tokens[0].position += 1u;
    tokens[0].row += 1u;
  }
}

// Weight of the k-th likeliest token.
fn top_k_threshold(start: u32, end: u32, maximum: f32, thread: u32) -> f32 {
  var low = 0u;
  var high = bitcast<u32>(1.0) + 1u;
  for (var step = 0u; step < BISECTIONS; step++) {
    let middle = (low + high) / 2u;
    var count = 0u;
    for (var i = start; i < end; i++) {
      count += u32(bitcast<u32>(exp(logits[i] - maximum)) >= middle);
    }
    if (count_all(count, thread) >= sampling.top_k) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return bitcast<f32>(low);
}

// Largest weight such that the tokens at or above it hold top_p of the mass that `floor` leaves.
fn top_p_threshold(start: u32, end: u32, maximum: f32, floor: f32, thread: u32) -> f32 {
  var mass = 0.0;
  for (var i = start; i < end; i++) {
    let w = exp(logits[i] - maximum);
    mass += select(0.0, w, w >= floor);
  }
  let wanted = sampling.top_p * total(mass, thread);
  var low = 0u;
  var high = bitcast<u32>(1.0) + 1u;
  for (var step = 0u; step < BISECTIONS; step++) {
    let middle = (low + high) / 2u;
    var above = 0.0;
    for (var i = start; i < end; i++) {
      let w = exp(logits[i] - maximum);
      above += select(0.0, w, bitcast<u32>(w) >= middle && w >= floor);
    }
    if (total(above, thread) >= wanted) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return bitcast<f32>(low);
}
