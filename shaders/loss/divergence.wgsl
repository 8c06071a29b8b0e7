// How far the predictions of two models lie apart, for logits p and q, [count, VOCAB], at divergences[start + r]. A workgroup
// a row.
struct Divergence {
  // KL(softmax p ‖ softmax q), in nats as the entropies.
  kl: f32,
  entropy_p: f32,
  entropy_q: f32,
  // Probability that the sequence ends here.
  end_p: f32,
  end_q: f32,
}

@group(0) @binding(0) var<storage, read> p: array<f32>;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<Target>;
@group(0) @binding(3) var<storage, read_write> divergences: array<Divergence>;
@group(0) @binding(4) var<uniform> chunk: Chunk;

const THREADS = 32u;
var<workgroup> partial_maxima: array<vec2<f32>, THREADS>;
var<workgroup> partial_p: array<vec3<f32>, THREADS>;
var<workgroup> partial_q: array<vec2<f32>, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let start = workgroup.x * VOCAB;
  var maxima = vec2<f32>(-1e30);
  for (var i = thread; i < VOCAB; i += THREADS) {
    maxima = max(maxima, vec2<f32>(p[start + i], q[start + i]));
  }
  partial_maxima[thread] = maxima;
  workgroupBarrier();
  for (var i = 0u; i < THREADS; i++) {
    maxima = max(maxima, partial_maxima[i]);
  }
  // Σ eᵖ, Σ eᵖ·p, Σ eᵖ·q and Σ e^q, Σ e^q·q, everything less the maxima.
  var sums_p = vec3<f32>();
  var sums_q = vec2<f32>();
  for (var i = thread; i < VOCAB; i += THREADS) {
    let a = p[start + i] - maxima.x;
    let b = q[start + i] - maxima.y;
    sums_p += exp(a) * vec3<f32>(1.0, a, b);
    sums_q += exp(b) * vec2<f32>(1.0, b);
  }
  partial_p[thread] = sums_p;
  partial_q[thread] = sums_q;
  workgroupBarrier();
  if (thread > 0u) {
    return;
  }
  for (var i = 1u; i < THREADS; i++) {
    sums_p += partial_p[i];
    sums_q += partial_q[i];
  }
  let mean_p = sums_p.yz / sums_p.x;
  let log_p = log(sums_p.x);
  let log_q = log(sums_q.x);
  let row = chunk.start + workgroup.x;
  let end = start + targets[row].end;
  divergences[row] = Divergence(
    mean_p.x - log_p - mean_p.y + log_q,
    log_p - mean_p.x,
    log_q - sums_q.y / sums_q.x,
    exp(p[end] - maxima.x) / sums_p.x,
    exp(q[end] - maxima.y) / sums_q.x,
  );
}
