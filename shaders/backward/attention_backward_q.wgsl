// dQ[T, H·HD] of attention.wgsl: with p = exp(score − lse), δ = dOut·Out: dQ = Σ_j p_j (dOut·v_j − δ) k_j / sqrt(HD)
// (Dao et al. 2022, Algorithm 4). Also writes δ[T, H] for the key pass. A thread handles one query of one head.
@group(0) @binding(0) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> values: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> tokens: array<Token>;
@group(0) @binding(4) var<storage, read> out: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> d_out: array<vec4<f32>>;
// (lse, δ) [T, H]; the first is read, the second written.
@group(0) @binding(6) var<storage, read_write> statistics: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> dq: array<vec4<f32>>;
@group(0) @binding(8) var<uniform> batch: Batch;

const QUADS = HEAD_DIM / 4u;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let t = id.x;
  let head = id.y;
  if (t >= batch.tokens) {
    return;
  }
  let token = tokens[t];
  let source = (t * HEADS + head) * QUADS;
  let cache = head / (HEADS / KV_HEADS) * CAPACITY * QUADS;
  let root = inverseSqrt(f32(HEAD_DIM));
  var query: array<vec4<f32>, QUADS>;
  var gradient: array<vec4<f32>, QUADS>;
  var sum: array<vec4<f32>, QUADS>;
  var delta = 0.0;
  for (var i = 0u; i < QUADS; i++) {
    query[i] = q[source + i] * root;
    gradient[i] = d_out[source + i];
    delta += dot(gradient[i], out[source + i]);
  }
  let lse = statistics[t * HEADS + head].x;
  let prefix = token.prefix_end - token.prefix_start;
  let count = prefix + token.row + 1u - token.own_start;
  for (var n = 0u; n < count; n++) {
    let j = select(token.own_start + n - prefix, token.prefix_start + n, n < prefix);
    let row = cache + j * QUADS;
    var score = 0.0;
    var dp = 0.0;
    for (var i = 0u; i < QUADS; i++) {
      score += dot(query[i], keys[row + i]);
      dp += dot(gradient[i], values[row + i]);
    }
    let ds = exp(score - lse) * (dp - delta) * root;
    for (var i = 0u; i < QUADS; i++) {
      sum[i] += ds * keys[row + i];
    }
  }
  for (var i = 0u; i < QUADS; i++) {
    dq[source + i] = sum[i];
  }
  statistics[t * HEADS + head].y = delta;
}
