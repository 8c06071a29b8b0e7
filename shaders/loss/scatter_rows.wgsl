// dX[row of target, D] = coefficient of its sequence · dH[target, D]. Rows without a target are left alone: the caller
// clears dX first. dh holds all targets of the batch.
@group(0) @binding(0) var<storage, read> dh: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> targets: array<Target>;
@group(0) @binding(2) var<storage, read> coefficients: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> batch: Batch;

const COLUMNS = D / 4u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= COLUMNS || id.y >= batch.targets) {
    return;
  }
  let to = targets[id.y];
  dx[to.row * COLUMNS + id.x] = coefficients[to.sequence] * dh[id.y * COLUMNS + id.x];
}
