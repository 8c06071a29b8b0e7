// The gradient of swiglu.wgsl written over its input: gate_up[T, 2F] becomes d(gate_up), given dH[T, F].
// silu'(g) = σ(g)·(1 + g·(1 − σ(g))).
@group(0) @binding(0) var<storage, read> dh: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> gate_up: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> batch: Batch;

const COLUMNS = F / 4u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= COLUMNS || id.y >= batch.tokens) {
    return;
  }
  let at_gate = id.y * 2u * COLUMNS + id.x;
  let at_up = at_gate + COLUMNS;
  let gate = gate_up[at_gate];
  let up = gate_up[at_up];
  let d = dh[id.y * COLUMNS + id.x];
  let sigmoid = 1.0 / (1.0 + exp(-gate));
  gate_up[at_gate] = d * up * sigmoid * (1.0 + gate * (1.0 - sigmoid));
  gate_up[at_up] = d * gate * sigmoid;
}
