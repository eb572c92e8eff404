"""Programs whose printed output is compared under `chainrule.torch` and PyTorch."""

# ruff: noqa: E501 - programs and tables in strings

from __future__ import annotations

PROGRAMS: dict[str, str] = {}


def program(text: str) -> None:
    """Enter a program; its first line, a comment, is its name."""
    name, _, body = text.strip().partition("\n")
    PROGRAMS[name.removeprefix("# ")] = body


program("""
# the chapter: partial derivatives
x1 = torch.tensor(1.0, requires_grad=True)
x2 = torch.tensor(2.0, requires_grad=True)
f = 3 * (x1 ** 2) + x2 + torch.exp(x1 * x2)
print(f)
f.backward()
print(x1.grad, x2.grad)
""")

program("""
# the chapter: gradient of a sum of squares
z = torch.tensor([1., 2., 3.], requires_grad=True)
g = torch.sum(z ** 2)
g.backward()
print(z.grad)
""")

program("""
# the chapter: loss of a linear classifier, with random data
for seed in range(5):
    torch.manual_seed(seed)
    X = torch.randn(3, 2)
    y = torch.tensor([[1., 0., 1.]])
    theta = torch.ones(2, 1, requires_grad=True)
    predict = X @ theta
    loss = torch.sum((predict - y)**2)
    loss.backward()
    print(X, predict, loss, theta, theta.grad)
""")

program("""
# the chapter: gradient descent
def gd_with_ad(f, x0, alpha=1e-3, niters=int(1e6)):
    xk = torch.tensor(x0, requires_grad=True, dtype=torch.float)
    for _ in range(niters):
        value = f(xk)
        value.backward()
        with torch.no_grad():
            xk -= alpha * xk.grad
        xk.grad.zero_()
    return xk.numpy(force=True), f(xk).item()

def f(x):
    return x**3

print(gd_with_ad(f, 2, niters=int(1e3)))
print(gd_with_ad(f, -2, niters=100))
""")

program("""
# second derivative by create_graph
x = torch.tensor(2.0, requires_grad=True)
y = x**4
(g,) = torch.autograd.grad(y, x, create_graph=True)
(h,) = torch.autograd.grad(g, x, create_graph=True)
(t,) = torch.autograd.grad(h, x)
print(g.item(), h.item(), t)
z = torch.tensor([1.0, 2.0], requires_grad=True)
f = (torch.sin(z) * z.exp()).sum()
f.backward(create_graph=True)
g = z.grad
z.grad = None
g[0].backward()
print(g.detach(), z.grad)
""")

program("""
# accumulation, zeroing, retain_graph
x = torch.tensor([1.0, 2.0], requires_grad=True)
y = (x * x).sum()
y.backward(retain_graph=True)
print(x.grad)
y.backward()
print(x.grad)
x.grad.zero_()
print(x.grad)
x.grad = None
(3 * x).sum().backward()
print(x.grad)
v = 2 * x
v.backward(torch.tensor([1.0, 10.0]))
print(x.grad)
""")

program("""
# leaves, detaching, no_grad
x = torch.ones(2, requires_grad=True)
y = x * 2
print(x.is_leaf, y.is_leaf, y.requires_grad, y.detach().requires_grad, x.grad)
with torch.no_grad():
    z = x * 3
    with torch.enable_grad():
        w = x * 4
print(z.requires_grad, w.requires_grad, torch.is_grad_enabled())
with torch.set_grad_enabled(False):
    print((x + 1).requires_grad)
with torch.inference_mode():
    print((x + 1).requires_grad)

@torch.no_grad()
def half(x):
    return x / 2

print(half(x), half(x).requires_grad)
print(x.requires_grad_(False).requires_grad)
""")

program("""
# hooks and retained gradients
x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x * 3
y.retain_grad()
seen = []
y.register_hook(lambda g: seen.append(g))
handle = x.register_hook(lambda g: g * 10)
y.sum().backward()
print(x.grad, y.grad, seen)
handle.remove()
x.grad = None
(x * 2).sum().backward()
print(x.grad)
""")

program("""
# in place, under no_grad
x = torch.tensor([1.0, -2.0, 3.0])
x += 1
x *= 2
x -= torch.tensor([1.0, 1.0, 1.0])
x /= 2
print(x)
x.add_(1).mul_(2).sub_(1, ).div_(4)
print(x, x.add_(x, alpha=2), x.sub_(1, alpha=0.5))
x.clamp_(0, 1)
print(x)
x.abs_().sqrt_().neg_().exp_()
print(x)
x.zero_()
x.fill_(3)
print(x, x.copy_(torch.tensor([1.0, 2.0, 3.0])))
x[0] = 9
x[1:] = 5
x[x > 8] = 0
print(x)
x.masked_fill_(x == 5, -1)
x.pow_(2)
print(x)
m = torch.zeros(2, 3)
m[0, 1] = 7
m[:, 2] = torch.tensor([1.0, 2.0])
m[1] += 10
print(m, m.tril_())
m.scatter_(1, torch.tensor([[2], [0]]), 5.0)
m.index_add_(0, torch.tensor([0]), torch.ones(1, 3))
m.index_fill_(1, torch.tensor([1]), 4.0)
print(m)
k = torch.arange(4)
k += 1
k //= 2
print(k)
b = torch.tensor([True, False])
b |= True
print(b)
print(m.uniform_(0, 0), m.addcmul_(torch.ones(2, 3), torch.ones(2, 3), value=3), m.lerp_(torch.zeros(2, 3), 0.5), m.t().contiguous())
""")

program("""
# in place, recorded
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x * 2
y += 1
y *= x
y[0] = 5.0
y.mul_(2)
y.sum().backward()
print(y.detach(), x.grad)
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
out = torch.zeros(3)
for i in range(3):
    out[i] = x[i] ** (i + 1)
out.sum().backward()
print(out.detach(), x.grad)
a = torch.zeros(2, 2)
w = torch.tensor(3.0, requires_grad=True)
a[0] = w
a[1, 1] = w * w
a.sum().backward()
print(a.detach(), w.grad)
""")

program("""
# data
x = torch.ones(2, requires_grad=True)
(x * 3).sum().backward()
x.data -= 0.5 * x.grad
print(x)
x.data.add_(1)
print(x)
x.data = torch.tensor([7.0, 8.0])
print(x, x.data.requires_grad)
with torch.no_grad():
    x.copy_(torch.zeros(2))
print(x, x.is_leaf)
""")

program("""
# autograd.grad with several inputs and outputs
x = torch.tensor([1.0, 2.0], requires_grad=True)
y = torch.tensor([3.0, 4.0], requires_grad=True)
z = torch.tensor([5.0], requires_grad=True)
print(torch.autograd.grad((x * y).sum(), (x, y)))
print(torch.autograd.grad([x * y, x ** 2], [x, y], [torch.ones(2), torch.tensor([1.0, 0.5])]))
print(torch.autograd.grad((x * x).sum(), (x, z), allow_unused=True))
print(torch.autograd.grad((x * x).sum(), (x, z), materialize_grads=True))
print(torch.autograd.grad(x * y, x, torch.eye(2), is_grads_batched=True))
torch.autograd.backward([(x * y).sum(), (x ** 3).sum()])
print(x.grad, y.grad)
(x * y).sum().backward(inputs=[y])
print(x.grad, y.grad)
""")

program("""
# autograd.functional
F = torch.autograd.functional
x = torch.tensor([1.0, 2.0, 3.0])
y = torch.tensor([0.5, 0.25])
f = lambda x: torch.stack([x.sum(), (x ** 2).sum()])
g = lambda x: (x ** 3).sum()
h = lambda x, y: (x.sum() * y).exp()
q = lambda x, y: (x.sum() * y ** 2).sum()
print(F.jacobian(f, x))
print(F.jacobian(torch.exp, x, strategy="forward-mode", vectorize=True))
print(F.jacobian(h, (x, y)))
print(F.jacobian(lambda x: (x ** 2, x.sum()), x))
print(F.hessian(g, x))
print(F.hessian(q, (x, y)))
print(F.vjp(f, x, torch.tensor([1.0, 2.0])))
print(F.jvp(f, x, torch.ones(3)))
print(F.jvp(h, (x, y), (torch.ones(3), torch.ones(2))))
print(F.hvp(g, x, torch.ones(3)))
print(F.vhp(g, x, torch.ones(3)))
print(F.hvp(q, (x, y), (torch.ones(3), torch.ones(2))))
w = torch.tensor([1.0, 2.0], requires_grad=True)
J = F.jacobian(lambda w: w ** 3, w, create_graph=True)
J.sum().backward()
print(w.grad)
""")

program("""
# Function
class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, i):
        result = i.exp()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        result, = ctx.saved_tensors
        return grad_output * result

class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y, k):
        ctx.k = k
        ctx.save_for_backward(x, y)
        return x * y * k, x + y

    @staticmethod
    def backward(ctx, a, b):
        x, y = ctx.saved_tensors
        print(ctx.needs_input_grad)
        return a * y * ctx.k + b, a * x * ctx.k + b, None

class New(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x ** 2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g

class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y, s = x.clamp(0), x.sign()
        ctx.mark_non_differentiable(s)
        ctx.save_for_backward(x)
        return y, s

    @staticmethod
    def backward(ctx, g, unused):
        return g * (ctx.saved_tensors[0] > 0)

x = torch.tensor([0.5, -1.0], requires_grad=True)
y = torch.tensor([2.0, 3.0], requires_grad=True)
e = Exp.apply(x)
print(e.detach())
(g,) = torch.autograd.grad(e.sum(), x, create_graph=True)
print(g.detach(), torch.autograd.grad(g.sum(), x))
a, b = Scale.apply(x, y, 3.0)
(a.sum() + (b * b).sum()).backward()
print(x.grad, y.grad)
x.grad = None
a, b = Scale.apply(x, y.detach(), 2.0)
a.sum().backward()
print(x.grad)
(g,) = torch.autograd.grad(New.apply(x).sum(), x, create_graph=True)
print(g.detach(), torch.autograd.grad(g.sum(), x))
p, s = Sign.apply(x)
print(p.requires_grad, s.requires_grad)
x.grad = None
p.sum().backward()
print(x.grad)
d = x.detach().double().requires_grad_()
print(torch.autograd.gradcheck(Exp.apply, (d,)), torch.autograd.gradgradcheck(Exp.apply, (d,)))
""")

program("""
# gradcheck
x = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
y = torch.tensor([[1.0], [2.0]], dtype=torch.float64, requires_grad=True)
print(torch.autograd.gradcheck(lambda x, y: (x * y).sin(), (x, y)))
print(torch.autograd.gradgradcheck(lambda x, y: (x * y).sin(), (x, y)))
print(torch.autograd.gradcheck(lambda x: x.detach() * x, (x,), raise_exception=False))
""")

for optimizer in (
    "SGD([w, b], lr=0.05)",
    "SGD([w, b], lr=0.05, momentum=0.9)",
    "SGD([w, b], lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1)",
    "SGD([w, b], lr=0.05, momentum=0.9, dampening=0.3, maximize=True)",
    "SGD([{'params': [w]}, {'params': [b], 'lr': 0.01}], lr=0.1)",
    "Adam([w, b], lr=0.1)",
    "Adam([w, b], lr=0.1, amsgrad=True, weight_decay=0.05, betas=(0.8, 0.95), eps=1e-6)",
    "AdamW([w, b], lr=0.1, weight_decay=0.2)",
    "RMSprop([w, b], lr=0.05)",
    "RMSprop([w, b], lr=0.05, momentum=0.5, centered=True, weight_decay=0.1, alpha=0.9)",
    "Adagrad([w, b], lr=0.1)",
    "Adagrad([w, b], lr=0.1, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5)",
):
    program(f"""
# optim.{optimizer}
torch.manual_seed(1)
X = torch.randn(20, 3)
y = X @ torch.tensor([1.0, -2.0, 0.5]) + 0.3
w = torch.zeros(3, requires_grad=True)
b = torch.tensor(0.0, requires_grad=True)
opt = torch.optim.{optimizer}
for step in range(12):
    opt.zero_grad()
    loss = ((X @ w + b - y) ** 2).mean()
    loss.backward()
    opt.step()
print(w.detach(), b.detach(), loss.item())
saved = opt.state_dict()
print(saved["param_groups"][0]["lr"], [g["params"] for g in saved["param_groups"]])
opt.load_state_dict(saved)
loss = ((X @ w + b - y) ** 2).mean()
opt.zero_grad()
loss.backward()
opt.step()
print(w.detach(), b.detach())
""")

for settings in (
    "lr=0.5, max_iter=5",
    "line_search_fn='strong_wolfe'",
    "lr=0.1, max_iter=30, history_size=3, line_search_fn='strong_wolfe'",
):
    program(f"""
# optim.LBFGS({settings})
x = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
opt = torch.optim.LBFGS([x], {settings})
calls = 0

def closure():
    global calls
    calls += 1
    opt.zero_grad()
    loss = (1 - x[0]) ** 2 + 3 * (x[1] - x[0] ** 2) ** 2
    loss.backward()
    return loss

for _ in range(4):
    loss = opt.step(closure)
    print(calls, x.detach(), loss.detach())
""")

program("""
# nn: training with a seed
torch.manual_seed(0)
nn = torch.nn
model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
print(model)
X = torch.rand(16, 2)
y = (X[:, :1] * X[:, 1:]).sin()
opt = torch.optim.Adam(model.parameters(), lr=0.05)
loss_fn = nn.MSELoss()
for epoch in range(20):
    opt.zero_grad()
    loss = loss_fn(model(X), y)
    loss.backward()
    opt.step()
print(loss.item())
print([(n, tuple(p.shape)) for n, p in model.named_parameters()])
print(model[0].weight, list(model.state_dict()))
model.eval()
print(model.training, sum(p.numel() for p in model.parameters()))
model.zero_grad()
print(model[0].weight.grad)
""")

program("""
# nn: a module of one's own
nn = torch.nn
torch.manual_seed(3)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.second = nn.Linear(3, 3, bias=False)
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.act = nn.LeakyReLU(0.1)
        self.drop = nn.Dropout(0.5)
        self.norm = nn.LayerNorm(3)
        self.register_buffer("offset", torch.ones(3))

    def forward(self, x):
        return self.drop(self.norm(self.act(self.second(torch.relu(self.first(x)))) * self.scale + self.offset))

net = Net().eval()
x = torch.randn(5, 4)
out = net(x)
print(out.detach())
loss = nn.CrossEntropyLoss()(out, torch.tensor([0, 1, 2, 1, 0]))
loss.backward()
print(loss.item(), net.scale.grad, net.first.weight.grad)
print([n for n, _ in net.named_parameters()], [n for n, _ in net.named_buffers()], list(net.state_dict()))
print(net.scale, isinstance(net.scale, nn.Parameter), isinstance(net.scale, torch.Tensor), isinstance(net.scale * 2, nn.Parameter))
other = Net()
other.load_state_dict(net.state_dict())
print(torch.equal(other.eval()(x), out))
""")

program("""
# nn: modules of functions
nn = torch.nn
x = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.1, -0.3]])
for layer in (nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.GELU(), nn.SiLU(), nn.ELU(), nn.Softplus(), nn.Softmax(dim=1), nn.LogSoftmax(dim=1), nn.Hardtanh(), nn.Identity(), nn.Flatten(), nn.LeakyReLU()):
    print(layer(x))
t = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.5]])
for loss in (nn.MSELoss(), nn.L1Loss(), nn.SmoothL1Loss(), nn.HuberLoss(), nn.BCEWithLogitsLoss(), nn.MSELoss(reduction="sum"), nn.CrossEntropyLoss(), nn.KLDivLoss(reduction="batchmean"), nn.CrossEntropyLoss(label_smoothing=0.1), nn.PoissonNLLLoss()):
    print(loss(x, t))
print(nn.BCELoss()(x.sigmoid(), t), nn.NLLLoss()(x, torch.tensor([0, 2])))
bn = nn.BatchNorm1d(3)
print(bn(x).detach(), bn.running_mean, bn.running_var, bn.eval()(x).detach())
torch.manual_seed(5)
print(nn.Embedding(4, 2)(torch.tensor([1, 3])).detach())
print(nn.init.xavier_uniform_(torch.empty(2, 3)), nn.init.kaiming_normal_(torch.empty(3, 2)), nn.init.constant_(torch.empty(2), 3.0))
""")

program("""
# random numbers
torch.manual_seed(42)
print(torch.rand(5), torch.rand(2, 2, dtype=torch.float64))
print(torch.randn(3), torch.randn(3), torch.randn(2, 2, dtype=torch.float64))
print(torch.randn(20), torch.randn(33, dtype=torch.float64)[-3:])
print(torch.randint(0, 10, (5,)), torch.randint(5, (2, 2)), torch.randint(-3, 3, size=(4,)))
print(torch.randperm(10))
print(torch.empty(4).uniform_(-1, 3), torch.empty(3).normal_(1, 2))
print(torch.normal(0.0, 1.0, (3,)), torch.rand_like(torch.ones(2)), torch.randn_like(torch.ones(2)))
g = torch.Generator().manual_seed(7)
print(torch.rand(2, generator=g), torch.initial_seed(), g.initial_seed())
state = torch.get_rng_state()
a = torch.rand(3)
torch.set_rng_state(state)
print(torch.equal(a, torch.rand(3)))
""")

program("""
# printing
print(torch.tensor(3), torch.tensor(2.5), torch.tensor([True, False]), torch.tensor([1, 2], dtype=torch.int32))
print(torch.tensor([1.0], dtype=torch.float64), torch.tensor([1 + 2j]), torch.tensor([]), torch.zeros(2, 0))
print(torch.tensor([1e-5, 1.0]), torch.tensor([1e10, 1.0]), torch.tensor([float("inf"), float("nan"), -1.0]))
print(torch.arange(12.0).reshape(2, 2, 3))
print(torch.arange(2000))
print(torch.tensor([0.1, 22.22, 333.333]), torch.tensor([1.0, 2.0, 3.0]))
x = torch.tensor([1.0, 2.0], requires_grad=True)
print(x, x.shape, x.dtype, repr(x.size()), [x.detach()], f"{x.sum().item():.3f}", f"{torch.tensor(2.5):.2f}")
print(x * 2, x + 1, x.sum(), x.mean(), x.exp(), x @ x, x[0], -x, x / 2, 1 - x, x ** 2, x.reshape(2, 1), x.sqrt())
print(torch.float32, torch.int64, torch.bool, torch.float, torch.device("cpu"), repr(torch.device("cpu")))
print(torch.max(torch.eye(2), 0), torch.sort(torch.tensor([2.0, 1.0])), torch.linalg.slogdet(torch.eye(2)))
torch.set_printoptions(precision=2)
print(torch.tensor([3.14159]))
torch.set_printoptions(profile="default")
print(torch.finfo(torch.float32).eps, torch.iinfo(torch.int8).max, torch.pi, torch.inf)
print(torch.finfo(torch.float64), torch.iinfo(torch.int64))
print(torch.Size([2, 3]), torch.Size([2, 3])[0], torch.Size([2]) + torch.Size([3]), torch.Size([2, 3]).numel())
""")

program("""
# NumPy both ways
a = np.array([1.0, 2.0])
t = torch.from_numpy(a)
a[0] = 5.0
print(t, t.numpy() is a or np.shares_memory(t.numpy(), a))
t[1] = 7.0
print(a)
u = torch.tensor(a)
a[0] = 0.0
print(u)
x = torch.ones(2, requires_grad=True)
print(x.detach().numpy(), x.numpy(force=True), np.asarray(x.detach()), x.tolist(), x.sum().item())
print(torch.as_tensor([1, 2]).dtype, torch.as_tensor(a).dtype, torch.tensor(np.float32(1.5)).dtype)
s = torch.tensor(3.0)
n = s.numpy()
s += 1
print(n, s)
""")

program("""
# iteration, conversion, truth
x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
for row in x:
    print(row)
a, b = x
print(a, len(x), 2.0 in x, bool(x[0, 0] > 0), int(x[0, 1]), float(x[1, 0]), [1, 2, 3][torch.tensor(1)])
print(torch.is_tensor(x), isinstance(x, torch.Tensor), isinstance(3, torch.Tensor), torch.Tensor([1.0, 2.0]), torch.FloatTensor([1]))
print(sum(x), max(torch.tensor([1, 3, 2])), sorted(torch.tensor([3, 1]).tolist()))
import copy, pickle
y = copy.deepcopy(x.requires_grad_())
print(y, pickle.loads(pickle.dumps(y)))
""")

program("""
# views share memory
x = torch.zeros(2, 3)
x.view(-1)[2] = 5.0
x.t()[0, 1] = 6.0
x[0].add_(1)
x.reshape(3, 2)[2, 1] = 9.0
x[:, 1].mul_(10)
x.unsqueeze(0)[0, 1, 0] = 4.0
row = x[1]
row[0] = -1
print(x, row)
y = x.detach()
y[0, 0] = 100.0
print(x)
""")

program("""
# ties and kinks
x = torch.tensor([1.0, 3.0, 3.0, 0.0], requires_grad=True)
for f in (torch.max, torch.amax, lambda x: torch.max(x, 0).values, lambda x: torch.min(x, 0)[0], torch.median, lambda x: torch.median(x, 0)[0], lambda x: torch.sort(x)[0][1], lambda x: torch.relu(x - 3).sum(), lambda x: (x - 3).abs().sum(), lambda x: torch.clamp(x, 1, 3).sum(), lambda x: torch.maximum(x, torch.tensor(3.0)).sum(), lambda x: torch.norm(x * 0), lambda x: torch.sqrt(x).sum(), lambda x: torch.cummax(x, 0)[0].sum(), lambda x: torch.nn.functional.hardtanh(x).sum(), lambda x: torch.topk(x, 2)[0].sum(), lambda x: x.prod(), lambda x: torch.nn.functional.softplus(x).sum()):
    x.grad = None
    f(x).backward()
    print(x.grad)
""")

program("""
# default dtype
torch.set_default_dtype(torch.float64)
print(torch.tensor(1.5), torch.ones(2), torch.get_default_dtype(), torch.tensor(1) / 2, torch.arange(3) * 0.5, torch.tensor([1.0], dtype=torch.float32))
torch.set_default_dtype(torch.float32)
print(torch.tensor(1.5).dtype)
""")

program("""
# learning rates
lr = torch.optim.lr_scheduler
for make in (
    lambda o: lr.StepLR(o, 2, gamma=0.5),
    lambda o: lr.MultiStepLR(o, [1, 3]),
    lambda o: lr.ExponentialLR(o, 0.9),
    lambda o: lr.LambdaLR(o, lambda e: 1 / (1 + e)),
    lambda o: lr.CosineAnnealingLR(o, 4, eta_min=0.1),
    lambda o: lr.LinearLR(o, total_iters=3),
):
    x = torch.ones(1, requires_grad=True)
    opt = torch.optim.SGD([x], lr=1.0)
    sched = make(opt)
    for _ in range(5):
        x.sum().backward()
        opt.step()
        print(round(sched.get_last_lr()[0], 5), x.detach())
        sched.step()
opt = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
sched = lr.ReduceLROnPlateau(opt, patience=1, factor=0.5)
for loss in (3.0, 2.0, 2.5, 2.5, 2.5, 1.0):
    sched.step(loss)
    print(opt.param_groups[0]["lr"])
""")

program("""
# clipping gradients, parameters as a vector
x = torch.tensor([3.0, 4.0], requires_grad=True)
y = torch.tensor([[1.0]], requires_grad=True)
((x ** 2).sum() + y.sum()).backward()
print(torch.nn.utils.clip_grad_norm_([x, y], 1.0), x.grad, y.grad)
torch.nn.utils.clip_grad_value_([x, y], 0.5)
print(x.grad, y.grad)
v = torch.nn.utils.parameters_to_vector([x, y])
print(v.detach())
torch.nn.utils.vector_to_parameters(torch.tensor([7.0, 8.0, 9.0]), [x, y])
print(x, y)
""")

program("""
# the graph
x = torch.tensor([1.0, 2.0], requires_grad=True)
y = (x * 2).exp().sum()
print(y.grad_fn.name(), x.grad_fn, y.grad_fn.next_functions[0][0].name())
node = y.grad_fn
names = []
while node is not None:
    names.append(node.name())
    node = node.next_functions[0][0] if node.next_functions else None
print(names)
""")

program("""
# in place, changing the shape
x = torch.arange(6.0).reshape(2, 3)
print(x.t_(), x.unsqueeze_(0).shape, x.squeeze_(0).transpose_(0, 1))
print(torch.zeros(2, 3).fill_diagonal_(1))
""")

program("""
# anomaly
x = torch.tensor([0.0], requires_grad=True)
y = (torch.sqrt(x) * 0).sum()
try:
    with torch.autograd.detect_anomaly():
        (torch.tensor(float("nan")) * x).sum().backward()
except Exception as error:
    print("found")
print(torch.nn.functional.relu(torch.tensor([-1.0, 1.0]), inplace=True))
""")

program("""
# pickled and copied modules
import copy, pickle
m = torch.nn.Linear(2, 2)
for n in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
    print(torch.equal(m.weight, n.weight), isinstance(n.weight, torch.nn.Parameter), len(list(n.parameters())))
print(m.double().weight.dtype, isinstance(m.weight, torch.nn.Parameter), m.bias.requires_grad)
""")

ERRORS = [
    "torch.tensor([1, 2], requires_grad=True)",
    "torch.ones(2, requires_grad=True).backward()",
    "torch.ones(2).sum().backward()",
    "torch.ones(2, 3) @ torch.ones(2, 3)",
    "torch.ones(2) + torch.ones(3)",
    "torch.ones(2, requires_grad=True).numpy()",
    "torch.ones(2).item()",
    "bool(torch.ones(2))",
    "torch.ones(2)[5]",
    "torch.ones(2, 3).view(4)",
    "torch.ones(2).sum(3)",
    "torch.cat([torch.ones(2, 2), torch.ones(3, 3)])",
    "x = torch.ones(2, requires_grad=True); x += 1",
    "x = torch.ones(2, requires_grad=True); x.zero_()",
    "x = torch.ones(2, requires_grad=True); y = x.exp(); y += 1; y.sum().backward()",
    "x = torch.ones(2, requires_grad=True); y = (x * x).sum(); y.backward(); y.backward()",
    "x = torch.ones(2, requires_grad=True); torch.autograd.grad(x.sum(), torch.ones(2, requires_grad=True))",
    "torch.tensor([[1, 2], [3]])",
    "torch.tensor('a')",
    "torch.zeros(2).no_such_name",
    "torch.no_such_name",
    "torch.arange(3) .mul_(1.5)",
    "torch.linalg.inv(torch.zeros(2, 2))",
    "torch.linalg.cholesky(-torch.eye(2))",
    "torch.ones(2).expand(3)",
    "torch.ones(2, 3).mv(torch.ones(2))",
    "torch.optim.SGD([], lr=0.1)",
    "torch.optim.SGD(torch.ones(2), lr=0.1)",
    "torch.nn.functional.cross_entropy(torch.zeros(1, 3), torch.tensor([5]))",
    "torch.stack([torch.ones(2), torch.ones(3)])",
    "torch.ones(2).split([1, 2])",
    "(torch.ones(2, requires_grad=True) * 2).requires_grad_(False)",
    "torch.dot(torch.ones(2, 2), torch.ones(2))",
    "torch.from_numpy([1.0])",
    "torch.zeros(-1)",
]
"""Programs that are errors in both."""
