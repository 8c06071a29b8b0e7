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
  let end = tokens[min(first + WORKGROUP - 1u, batch.tokens - 1u)].row + 1u;
  for (var j = first_seen(tokens[first]); j < end; j++) {
    let row = cache + j * HEAD_DIM;
    var score = 0.0;
    var dp = 0.0;
    for (var i = 0u; i < QUADS; i += 2u) {
      let key = load_eight_keys(row + 4u * i, lane.index);
      let value = load_eight_values(row + 4u * i, lane.index);
      score += dot(query[i], key.low) + dot(query[i + 1u], key.high);
      dp += dot(gradient[i], value.low) + dot(gradient[i + 1u], value.high);
    }
    let ds = select(0.0, exp(score - lse) * (dp - delta) * root, sees(token, j));
    for (var i = 0u; i < QUADS; i += 2u) {
      let key = load_eight_keys(row + 4u * i, lane.index);
      sum[i] += ds * key.low;
      sum[i + 1u] += ds * key.high;
    }
  }
  if (first + local.x >= batch.tokens) {
    return;
  }
  for (var i = 0u; i < QUADS; i++) {
    dq[source + i] = sum[i];
  }
  statistics[t * HEADS + head].y = delta;
}
