// dQ[T, H·HD] of attention.wgsl: with p = exp(score − lse), δ = dOut·Out: dQ = Σ_j p_j (dOut·v_j − δ) k_j / sqrt(HD)
// (Dao et al. 2022, Algorithm 4). Also writes δ[T, H] for the key pass. A thread handles one query of one head; lanes load
// the same as in attention.wgsl.
@group(0) @binding(0) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read> tokens: array<Token>;
@group(0) @binding(4) var<storage, read> out: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> d_out: array<vec4<f32>>;
// (lse, δ) [T, H]; the first is read, the second written.
@group(0) @binding(6) var<storage, read_write> statistics: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> dq: array<vec4<f32>>;
@group(0) @binding(8) var<uniform> batch: Batch;

const QUADS = HEAD_DIM / 4u;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  lane: Lane,
) {
  // No early return: every lane takes part in loads that are shared.
  let first = workgroup.x * WORKGROUP;
  let t = min(first + local.x, batch.tokens - 1u);
  let head = workgroup.y;
  let token = tokens[t];
  let source = (t * HEADS + head) * QUADS;
  let cache = head / (HEADS / KV_HEADS) * CAPACITY * HEAD_DIM;
  let root = inverseSqrt(f32(HEAD_DIM));
  let query_low_$e = q[source + 2u * $e] * root;
  let query_high_$e = q[source + 2u * $e + 1u] * root;
  let gradient_low_$e = d_out[source + 2u * $e];
  let gradient_high_$e = d_out[source + 2u * $e + 1u];
  var low_$e = vec4<f32>();
  var high_$e = vec4<f32>();
  var delta = 0.0;
  delta += dot(gradient_low_$e, out[source + 2u * $e]) + dot(gradient_high_$e, out[source + 2u * $e + 1u]);
  let lse = statistics[t * HEADS + head].x;
  let end = tokens[min(first + WORKGROUP - 1u, batch.tokens - 1u)].row + 1u;
  for (var j = first_seen(tokens[first]); j < end; j++) {
    let row = cache + j * HEAD_DIM;
    var score = 0.0;
    var dp = 0.0;
    let key_$e = load_eight_keys(row + 8u * $e, lane.index);
    let value_$e = load_eight_values(row + 8u * $e, lane.index);
    score += dot(query_low_$e, key_$e.low) + dot(query_high_$e, key_$e.high);
    dp += dot(gradient_low_$e, value_$e.low) + dot(gradient_high_$e, value_$e.high);
    let ds = select(0.0, exp(score - lse) * (dp - delta) * root, sees(token, j));
    low_$e += ds * key_$e.low;
    high_$e += ds * key_$e.high;
  }
  if (first + local.x >= batch.tokens) {
    return;
  }
  dq[source + 2u * $e] = low_$e;
  dq[source + 2u * $e + 1u] = high_$e;
  statistics[t * HEADS + head].y = delta;
}
