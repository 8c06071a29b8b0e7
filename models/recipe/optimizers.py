"""Which optimizer moves which weight, and whether the device multiplies in bf16."""

import math

import torch

# Muon (Jordan et al. 2024) for the layers' matrices, AdamW for the rest.
MUON = {'lr': 0.02, 'momentum': 0.95}
ADAM = {'lr': 3e-3, 'betas': (0.9, 0.95), 'eps': 1e-8}


def orthogonalize(update):
    """Newton-Schulz towards the nearest orthogonal matrices [N, rows <= columns]: five steps of Muon's quintic."""
    x = update / (update.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x


class Muon(torch.optim.Optimizer):
    """Matrices of one shape are updated together: a GPU would wait for its launches otherwise."""

    def __init__(self, parameters, lr, momentum, weight_decay):
        super().__init__(parameters, {'lr': lr, 'momentum': momentum, 'weight_decay': weight_decay})
        self.native = multiplies_bf16(self.param_groups[0]['params'][0].device.type)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for p in group['params']:
                state = self.state[p]
                if not state:
                    state['velocity'] = torch.zeros_like(p)
                velocity = state['velocity'].lerp_(p.grad, 1 - group['momentum'])
                shapes.setdefault(tuple(sorted(p.shape)), []).append((p, p.grad.lerp(velocity, group['momentum'])))
            for pairs in shapes.values():
                wide = [update if update.shape[0] <= update.shape[1] else update.T for _, update in pairs]
                stacked = torch.stack(wide)
                updates = orthogonalize(stacked.bfloat16() if self.native else stacked).type_as(stacked)
                for (p, _), update in zip(pairs, updates):
                    p.mul_(1 - group['lr'] * group['weight_decay'])
                    p.add_(update if p.shape[0] <= p.shape[1] else update.T,
                           alpha=-group['lr'] * math.sqrt(max(1, p.shape[0] / p.shape[1])))


def optimizers_of(model, kind, weight_decay):
    matrices = [p for p in model.layers.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() == 1]
    adam = [{'params': [model.embed_tokens], 'weight_decay': 0.0}, {'params': others, 'weight_decay': 0.0}]
    if kind == 'muon':
        return [Muon(matrices, **MUON, weight_decay=weight_decay), torch.optim.AdamW(adam, **ADAM)]
    return [torch.optim.AdamW([{'params': matrices, 'weight_decay': weight_decay}, *adam], **ADAM)]


def multiplies_bf16(device):
    """Whether the device does; a processor as far as Linux tells."""
    if device == 'cuda':
        return True
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as file:
            return 'avx512_bf16' in file.read()
    except OSError:
        return False
