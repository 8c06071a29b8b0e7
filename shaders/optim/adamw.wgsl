// AdamW (Loshchilov & Hutter 2019, Algorithm 2) over the flat arena, with the gradient clipped to a global norm
// (Pascanu et al. 2013) and the learning rate falling from the highest layer down (Howard & Ruder 2018, section 3.2): the
// arena holds LAYERS parts of equal size, the lowest first. Beside it goes the exponential moving average of the
// parameters (Polyak & Juditsky 1992, decaying as in Kingma & Ba 2015, section 7.2). Gradients are set to zero for the
// next step.
@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> parameters: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> gradients: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> first_moments: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> second_moments: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> averages: array<vec4<f32>>;
@group(0) @binding(6) var<uniform> adamw: AdamW;

struct AdamW {
  learning_rate: f32,
  // 1 − beta: what the step's own gradient weighs in the moments. Computed here it would have lost three digits.
  share_1: f32,
  share_2: f32,
  epsilon: f32,
  weight_decay: f32,
  max_grad_norm: f32,
  // 1 − beta^step
  correction_1: f32,
  correction_2: f32,
  // Factor from each layer to the one below.
  layer_decay: f32,
  // What the new parameters weigh in their average; 1 at the first step.
  share_average: f32,
}

const LAYER_QUADS = SIZE / 4u / LAYERS;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= SIZE / 4u) {
    return;
  }
  var squares = 0.0;
  for (var i = 0u; i < GROUPS; i++) {
    squares += partials[i];
  }
  let clip = min(1.0, adamw.max_grad_norm / (sqrt(squares) + 1e-6));
  let g = gradients[id.x] * clip;
  let m = first_moments[id.x] + adamw.share_1 * (g - first_moments[id.x]);
  let v = second_moments[id.x] + adamw.share_2 * (g * g - second_moments[id.x]);
  let p = parameters[id.x];
  let update = m / adamw.correction_1 / (sqrt(v / adamw.correction_2) + adamw.epsilon);
  let below_top = f32(LAYERS - 1u - id.x / LAYER_QUADS);
  let rate = adamw.learning_rate * pow(adamw.layer_decay, below_top);
  let moved = p - rate * (update + adamw.weight_decay * p);
  parameters[id.x] = moved;
  averages[id.x] = mix(averages[id.x], moved, adamw.share_average);
  first_moments[id.x] = m;
  second_moments[id.x] = v;
  gradients[id.x] = vec4<f32>();
}
