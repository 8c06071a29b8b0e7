"""safetensors, as far as a model needs it: a JSON header, then the arrays one after the other."""

import json
import struct

import numpy as np

NAMES = {'float16': 'F16', 'float32': 'F32'}


def write_safetensors(path, tensors):
    """tensors {name: array of float16 or float32}"""
    header, at = {}, 0
    for name, array in tensors.items():
        end = at + array.nbytes
        header[name] = {'dtype': NAMES[array.dtype.name], 'shape': list(array.shape), 'data_offsets': [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).tobytes())
