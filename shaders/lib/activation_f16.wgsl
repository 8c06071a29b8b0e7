// activation_f32.wgsl in half the memory, for generation on devices that have f16.
enable f16;

alias Activation = f16;
const LARGEST = 65504.0;
