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
  let key_low_$e = keys[row + 2u * $e] * root;
  let key_high_$e = keys[row + 2u * $e + 1u] * root;
  let value_low_$e = values[row + 2u * $e];
  let value_high_$e = values[row + 2u * $e + 1u];
  var dk_low_$e = vec4<f32>();
  var dk_high_$e = vec4<f32>();
  var dv_low_$e = vec4<f32>();
  var dv_high_$e = vec4<f32>();
  let end = tokens[min(first + WORKGROUP - 1u, batch.tokens - 1u)].group_end;
  for (var t = first; t < end; t++) {
    let seen = sees(tokens[t], j);
    for (var h = kv_head * SHARE; h < (kv_head + 1u) * SHARE; h++) {
      let source = (t * HEADS + h) * HEAD_DIM;
      let lse_delta = statistics[t * HEADS + h];
      var score = 0.0;
      var dp = 0.0;
      let query_$e = load_eight_q(source + 8u * $e, lane.index);
      let gradient_$e = load_eight_d_out(source + 8u * $e, lane.index);
      score += dot(query_$e.low, key_low_$e) + dot(query_$e.high, key_high_$e);
      dp += dot(gradient_$e.low, value_low_$e) + dot(gradient_$e.high, value_high_$e);
      let p = select(0.0, exp(score - lse_delta.x), seen);
      let ds = p * (dp - lse_delta.y) * root;
      dv_low_$e += p * gradient_$e.low;
      dv_high_$e += p * gradient_$e.high;
      dk_low_$e += ds * query_$e.low;
      dk_high_$e += ds * query_$e.high;
    }
  }
  if (first + local.x >= batch.tokens) {
    return;
  }
  dk[row + 2u * $e] = dk_low_$e;
  dk[row + 2u * $e + 1u] = dk_high_$e;
  dv[row + 2u * $e] = dv_low_$e;
  dv[row + 2u * $e + 1u] = dv_high_$e;
}
