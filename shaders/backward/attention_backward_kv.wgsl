// dK, dV [KV][CAPACITY][HD] of attention.wgsl for packed batches, where row and token coincide: every later token of the
// group that sees row j adds p·dOut to dV and p·(dOut·v − δ)·q / sqrt(HD) to dK. A thread handles one key of one KV
// head. Overwrites.
@group(0) @binding(0) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> values: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> tokens: array<Token>;
@group(0) @binding(4) var<storage, read> d_out: array<vec4<f32>>;
// (lse, δ) [T, H]
@group(0) @binding(5) var<storage, read> statistics: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read_write> dk: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> dv: array<vec4<f32>>;
@group(0) @binding(8) var<uniform> batch: Batch;

const QUADS = HEAD_DIM / 4u;
const SHARE = HEADS / KV_HEADS;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let j = id.x;
  let kv_head = id.y;
  if (j >= batch.tokens) {
    return;
  }
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
  for (var t = j; t < tokens[j].group_end; t++) {
    let token = tokens[t];
    if (j < token.own_start && (j < token.prefix_start || j >= token.prefix_end)) {
      continue;
    }
    for (var h = kv_head * SHARE; h < (kv_head + 1u) * SHARE; h++) {
      let source = (t * HEADS + h) * QUADS;
      let lse_delta = statistics[t * HEADS + h];
      var score = 0.0;
      var dp = 0.0;
      for (var i = 0u; i < QUADS; i++) {
        score += dot(q[source + i], key[i]);
        dp += dot(d_out[source + i], value[i]);
      }
      let p = exp(score - lse_delta.x);
      let ds = p * (dp - lse_delta.y) * root;
      for (var i = 0u; i < QUADS; i++) {
        value_sum[i] += p * d_out[source + i];
        key_sum[i] += ds * q[source + i];
      }
    }
  }
  for (var i = 0u; i < QUADS; i++) {
    dk[row + i] = key_sum[i];
    dv[row + i] = value_sum[i];
  }
}
