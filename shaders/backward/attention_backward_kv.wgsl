// dK, dV [KV][CAPACITY][HD] of attention.wgsl for packed batches, where row and token coincide: every later token of the
// group that sees row j adds p·dOut to dV and p·(dOut·v − δ)·q / sqrt(HD) to dK. A thread handles one key of one KV
// head; a workgroup goes through all rows that see one of its keys, so that its lanes load the same. Overwrites.
@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> keys: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> values: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> tokens: array<Token>;
@group(0) @binding(4) var<storage, read> d_out: array<f32>;
// (lse, δ) [T, H]
@group(0) @binding(5) var<storage, read> statistics: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read_write> dk: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> dv: array<vec4<f32>>;
@group(0) @binding(8) var<uniform> batch: Batch;

const QUADS = HEAD_DIM / 4u;
const SHARE = HEADS / KV_HEADS;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  lane: Lane,
) {
  // No early return: every lane takes part in loads that are shared.
  let first = workgroup.x * WORKGROUP;
  let j = min(first + local.x, batch.tokens - 1u);
  let kv_head = workgroup.y;
  let row = (kv_head * CAPACITY + j) * QUADS;
  let root = inverseSqrt(f32(HEAD_DIM));
  var key: array<vec4<f32>, QUADS>;
  var value: array<vec4<f32>, QUADS>;
  var key_sum: array<vec4<f32>, QUADS>;
  var value_sum: array<vec4<f32>, QUADS>;
  for (var i = 0u; i < QUADS; i++) {
    key[i] = keys[row + i] * root;
    value[i] = values[row + i];
  }
  let end = tokens[min(first + WORKGROUP - 1u, batch.tokens - 1u)].group_end;
  for (var t = first; t < end; t++) {
    let seen = sees(tokens[t], j);
    for (var h = kv_head * SHARE; h < (kv_head + 1u) * SHARE; h++) {
      let source = (t * HEADS + h) * HEAD_DIM;
      let lse_delta = statistics[t * HEADS + h];
      var score = 0.0;
      var dp = 0.0;
      for (var i = 0u; i < QUADS; i += 2u) {
        let query = load_eight_q(source + 4u * i, lane.index);
        let gradient = load_eight_d_out(source + 4u * i, lane.index);
        score += dot(query.low, key[i]) + dot(query.high, key[i + 1u]);
        dp += dot(gradient.low, value[i]) + dot(gradient.high, value[i + 1u]);
      }
      let p = select(0.0, exp(score - lse_delta.x), seen);
      let ds = p * (dp - lse_delta.y) * root;
      for (var i = 0u; i < QUADS; i += 2u) {
        let query = load_eight_q(source + 4u * i, lane.index);
        let gradient = load_eight_d_out(source + 4u * i, lane.index);
        value_sum[i] += p * gradient.low;
        value_sum[i + 1u] += p * gradient.high;
        key_sum[i] += ds * query.low;
        key_sum[i + 1u] += ds * query.high;
      }
    }
  }
  if (first + local.x >= batch.tokens) {
    return;
  }
  for (var i = 0u; i < QUADS; i++) {
    dk[row + i] = key_sum[i];
    dv[row + i] = value_sum[i];
  }
}
