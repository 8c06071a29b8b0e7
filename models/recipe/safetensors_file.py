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


def read_safetensors(path):
    """{name: array} of a file that this project wrote."""
    dtypes = {'F16': np.float16, 'F32': np.float32}
    with open(path, 'rb') as file:
        size, = struct.unpack('<Q', file.read(8))
        header, data = json.loads(file.read(size)), file.read()
    return {name: np.frombuffer(data[slice(*entry['data_offsets'])], dtypes[entry['dtype']]).reshape(entry['shape'])
            for name, entry in header.items() if name != '__metadata__'}
