"""The same program text under `chainrule.torch` and under PyTorch: values, dtypes, gradients, printing.

Run by `make test-peers`, where PyTorch is installed.
"""

# ruff: noqa: E501 - programs and tables in strings

from __future__ import annotations

import contextlib
import io
import re
import warnings
from typing import Any

import numpy as np
import pytest
from peers.torch_programs import ERRORS, PROGRAMS

import chainrule.torch as ours
from chainrule.errors import ChainruleError

theirs = pytest.importorskip("torch")
pytestmark = pytest.mark.peers

SETUP = """
def leaf(values, **kw):
    return torch.tensor(values, requires_grad=True, **kw)

x = leaf([[0.3, -1.2, 2.5, 0.7], [1.1, 0.4, -0.6, 1.9], [-0.2, 0.9, 1.4, -2.1]])
y = leaf([[1.3, 0.2, -0.5, 1.7], [-1.1, 2.4, 0.6, 0.9], [0.2, -0.9, 0.4, 1.1]])
p = leaf([[0.3, 1.2, 2.5, 0.7], [1.1, 0.4, 0.6, 1.9], [0.2, 0.9, 1.4, 2.1]])
u = leaf([[0.3, 0.2, 0.5, 0.7], [0.1, 0.4, 0.6, 0.9], [0.25, 0.35, 0.45, 0.15]])
v = leaf([0.5, -1.5, 2.0])
w = leaf([1.5, 0.5, -1.0])
s = leaf(0.7)
a = leaf([[4.0, 1.0, 0.5], [1.0, 3.0, -0.4], [0.5, -0.4, 2.0]])
b = leaf([[1.0, 2.0, -0.5], [0.3, -1.0, 0.8], [2.0, 0.1, 1.0]])
c = leaf([[[1.0, 2.0], [3.0, -1.0]], [[0.5, 0.2], [-0.3, 0.7]]])
i = torch.tensor([2, 0, 1, 2])
j = torch.tensor([[0, 2, 1], [1, 1, 0], [2, 0, 2]])
n = torch.tensor([[0, 2, 1], [1, 3, 0], [2, 0, 3]])
k = torch.tensor([[3, -1, 2], [0, 5, 4]])
m = torch.tensor([[True, False, True, False], [False, True, True, False], [True, True, False, True]])
F = torch.nn.functional
"""
LEAVES = ("x", "y", "p", "u", "v", "w", "s", "a", "b", "c")

ELEMENTWISE = """
abs(x) absolute(x) acos(u) acosh(p+1) add(x,y) add(x,y,alpha=2) addcdiv(x,y,p,value=0.5)
addcmul(x,y,p,value=2) angle(x) arctan2(x,y) asin(u) asinh(x) atan(x) atan2(x,y) atanh(u) ceil(x)
clamp(x,-1,1) clamp(x,min=0.5) clamp(x,y-2,p) clamp_max(x,0.5) clamp_min(x,0.5) copysign(x,y) cos(x) cosh(x)
deg2rad(x) digamma(p) div(x,p) div(x,p,rounding_mode="floor") div(x,p,rounding_mode="trunc") erf(x)
erfc(x) erfinv(u) exp(x) exp2(x) expm1(x) fix(x) float_power(p,2) floor(x) floor_divide(x,p) fmax(x,y)
fmin(x,y) fmod(x,p) frac(x) heaviside(x,y) hypot(x,y) i0(x) ldexp(x,torch.tensor(2)) lerp(x,y,0.3)
lerp(x,y,u) lgamma(p) log(p) log10(p) log1p(p) log2(p) logaddexp(x,y) logaddexp2(x,y) logit(u)
logit(u,eps=0.3) maximum(x,y) minimum(x,y) mul(x,y) mvlgamma(p+1,2) nan_to_num(x/0) neg(x)
polygamma(1,p) polygamma(2,p) positive(x) pow(p,2.5) pow(p,y) pow(2.0,x) rad2deg(x) real(x) reciprocal(p)
relu(x) remainder(x,p) round(x) round(x,decimals=1) rsqrt(p) rsub(x,y) rsub(x,3) sgn(y) sigmoid(x) sign(x)
sin(x) sinc(x) sinh(x) sqrt(p) square(x) sub(x,y) sub(x,y,alpha=3) tan(u) tanh(x) true_divide(x,p)
trunc(x) where(m,x,y) where(m,x,0.0) where(x>0,x,0) xlogy(u,p) x**3 x**2 x**-1 x**0 p**0.5 2**x 1/p
isfinite(x) isinf(x/0) isnan(x) isclose(x,x) logical_and(x,m) logical_not(m) logical_or(m,x) logical_xor(m,x)
signbit(x) eq(x,y) ge(x,y) gt(x,0) le(x,y) lt(x,y) ne(x,y) nextafter(x,y) bitwise_and(k,3)
bitwise_not(k) bitwise_or(k,1) bitwise_xor(k,7) bitwise_left_shift(k,1) bitwise_right_shift(k,1)
isposinf(x) isneginf(x) isreal(x) isin(k,torch.tensor([2,5])) equal(x,x) allclose(x,y)
special.entr(p) special.erfcx(x) special.expit(x) special.i0e(x) special.i1(x) special.i1e(x)
special.log_ndtr(x) special.logsumexp(x,0) special.ndtr(x) special.ndtri(u) special.psi(p)
special.xlog1py(u,p) special.zeta(p+1.5,torch.tensor(2.0)) special.bessel_j0(x) special.bessel_j1(x)
special.gammainc(torch.tensor(1.5),p) special.gammaln(p) special.spherical_bessel_j0(p)
special.modified_bessel_i0(x) special.modified_bessel_k0(p) special.scaled_modified_bessel_k1(p)
"""

REDUCTIONS = """
sum(x) sum(x,0) sum(x,dim=1,keepdim=True) sum(x,(0,1)) sum(x,axis=0) sum(x,dim=[]) sum(k) sum(m)
sum(x,0,dtype=torch.float64) mean(x) mean(x,1) mean(x,(0,1),keepdim=True) prod(x) prod(x,0) nansum(x)
nanmean(x) var(x) var(x,0) var(x,dim=1,unbiased=False) var(x,1,correction=0) var(x,False) std(x) std(x,1)
std(x,dim=0,keepdim=True) var_mean(x,0) std_mean(x) max(x) max(x,0) max(x,1,keepdim=True) max(x,dim=-1)
max(x,y) min(x) min(x,0) min(x,y) amax(x,0) amax(x,(0,1)) amin(x,1,True) aminmax(x) aminmax(x,dim=0)
argmax(x) argmax(x,1) argmin(x,0,True) all(m) all(m,0) any(m,1) count_nonzero(x) sort(x) sort(x,0,True)
argsort(x) argsort(x,dim=0,descending=True) msort(x) topk(x,2) topk(x,2,0,False) kthvalue(x,2)
kthvalue(x,2,0,True) median(x) median(x,0) median(x,dim=1,keepdim=True) nanmedian(x) mode(k) mode(k,0)
quantile(x,0.3) quantile(x,torch.tensor([0.2,0.8]),dim=1) unique(i) unique(i,return_counts=True)
unique(k,return_inverse=True) bincount(i) histc(x,4) histc(x,bins=5,min=-1,max=1) logsumexp(x,1)
logsumexp(x,(0,1)) softmax(x,1) log_softmax(x,0) softmax(x,dim=0,dtype=torch.float64) norm(x) norm(x,1)
norm(x,2,0) norm(x,float("inf")) norm(x,dim=1,keepdim=True) norm(x,p="fro",dim=(0,1)) dist(x,y) dist(x,y,1) cumsum(x,0) cumsum(k,1)
cumprod(x,1) logcumsumexp(x,1) cummax(x,1) cummin(x,0) diff(x) diff(x,dim=0) trapezoid(x) trapezoid(x,dx=0.5,dim=0)
cov(x) cov(x,correction=0) corrcoef(x) max(s,0) sort(s) median(s) softmax(s,0)
"""

SHAPES = """
reshape(x,(4,3)) reshape(x,(-1,)) ravel(x) flatten(c) flatten(c,1) unflatten(v,0,(3,1)) squeeze(v[None]) squeeze(v[None],0)
squeeze(v[None],1) unsqueeze(v,0) unsqueeze(v,-1) broadcast_to(v,(2,3)) broadcast_tensors(v,v[:,None])
transpose(x,0,1) swapaxes(c,0,2) t(x) adjoint(x) permute(c,(2,0,1)) movedim(c,0,2) flip(x,(0,)) flip(c,(0,1)) fliplr(x)
flipud(x) roll(x,1) roll(x,(1,2),(0,1)) rot90(x) tile(v,(2,2)) repeat_interleave(v,2) repeat_interleave(x,torch.tensor([1,2,0]),dim=0)
cat((x,y)) cat([x,y],dim=1) cat([torch.tensor([]),x],0) cat((v,k[0])) concat([v,w]) stack([v,w]) stack([v,w],dim=1) hstack((v,w)) vstack((v,w)) dstack((v,w))
column_stack((v,w)) split(x,2) split(x,2,dim=1) split(x,[1,3],1) chunk(x,2) chunk(x,3,1) tensor_split(x,2,1) tensor_split(x,(1,2),1) hsplit(x,2) vsplit(x,3) unbind(x) unbind(x,1)
meshgrid(v,w,indexing="ij") meshgrid(v,w,indexing="xy") cartesian_prod(v,w) diag(v) diag(x) diag(v,1) diagonal(c,0,1,2) diagflat(v) diag_embed(x) diag_embed(x,1) diag_embed(x,0,0,2) tril(x) triu(x,1) trace(a)
select(x,1,2) narrow(x,1,1,2) atleast_2d(v) atleast_1d(s) atleast_3d(v)
gather(x,1,j) gather(x,0,j) take_along_dim(x,j,1) take(x,i) index_select(x,1,i) index_select(x,0,j[0]) scatter(x,1,n,y[:,:3]) scatter(x,1,j,2.0) scatter_add(x,1,j,y[:,:3]) index_add(x,0,j[0],y) index_copy(x,0,torch.tensor([2,0,1]),y) index_fill(x,1,torch.tensor([0,2]),-1.0)
index_put(x,(torch.tensor([0,1]),torch.tensor([1,2])),torch.tensor([9.0,8.0])) masked_fill(x,m,0) masked_fill(x,m,-float("inf")) masked_select(x,m) masked_scatter(x,m,y) nonzero(m) nonzero(m,as_tuple=True) argwhere(k) where(m) searchsorted(torch.tensor([1,3,5]),k) bucketize(x,torch.tensor([0.0,1.0])) bucketize(k,torch.tensor([0,2]),right=True)
"""

METHODS = """
x.view(4,3) x.view(-1) x.view((2,6)) x.view_as(y.view(4,3)) x.reshape(2,-1) x.t() x.T x.mT c.mT x.permute(1,0) x.transpose(0,1) v.expand(2,3) v[:,None].expand(-1,4)
v.expand_as(a) v.repeat(2) v.repeat(2,3) c.unfold(0,1,1) v.unfold(0,2,1) x.unsqueeze(0) x.squeeze() x.flatten() c.flatten(1,2) c.flatten(start_dim=1) x.split(2,1) x.chunk(2,1) x.unbind(0)
x.sum() x.sum(0) x.sum(dim=1) x.sum(-1,keepdim=True) x.mean(0) x.var() x.std(0) x.max() x.max(1).values x.min(0).indices x.argmax() x.argmax(dim=1) x.median()
x.sort(descending=True) x.norm() x.norm(dim=0) x.softmax(-1) x.cumsum(0) x.prod(1) x.any() m.all(1) x.logsumexp(0) x.exp() x.log1p() x.clamp(0,1) x.clamp(min=0) x.abs().sqrt() x.add(y) x.add(1) x.sub(y,alpha=2) x.mul(2) x.div(2) x.pow(2)
x.mm(a.new_ones(4,2)) a.mv(v) a.matmul(b) v.dot(w) v.outer(w) c.bmm(c) a@b a@v v@a v@w c@c v.cross(w,dim=0) x.masked_fill(m,0) x.gather(1,j) x.scatter_add(1,j,y[:,:3]) x.index_select(1,i) x.where(m,y) x.tril() a.trace() a.diagonal() x.double() x.float() x.to(torch.float64) x.int() x.long() x.bool() x.type_as(x.double()) x.type(torch.float64)
x.contiguous() x.T.contiguous() x.clone() x.detach() x.data x.new_zeros(2) x.new_ones(2,2) x.new_full((2,),3.0) k.new_tensor([1,2]) x[0] x[:,1] x[1:,::2] x[...,0] x[i[:2]] x[:,i] x[m] x[None] x[0,1] x[-1] x[[0,2]] x[j[0],i[:3]]
x.relu() x.sigmoid() x.tanh() x.eq(y) x.lt(y) x.isnan()  x.round() x.sign() x.lerp(y,0.5) x.nan_to_num() x.reciprocal() p.rsqrt() p.digamma() p.lgamma() x.erf() x.square() x.neg() u.logit() x.count_nonzero() x.nonzero() x.H x.mH x.real
x.nelement() x.numel() x.dim() x.ndim x.size() x.size(0) x.size(-1) x.shape x.stride() x.T.stride() x.element_size() x.is_floating_point() x.is_contiguous() x.T.is_contiguous() x.requires_grad x.is_leaf x.dtype k.dtype m.dtype x.device x.type() k.type() x.tolist() s.item() x.is_complex() x.is_signed() len(x) x.nbytes x.itemsize
"""

PRODUCTS = """
matmul(a,b) mm(a,b) mv(a,v) bmm(c,c) dot(v,w) vdot(v,w) inner(a,b) outer(v,w) ger(v,w) kron(a,c[0]) einsum("ij,jk->ik",a,b) einsum("ij,j",a,v) einsum("ii->i",a) einsum("ii",a) einsum("bij,bjk->bik",c,c) einsum("...ij,...j->...i",a,v)
tensordot(a,b,1) tensordot(a,b,dims=([0],[1])) cross(v,w,dim=0) addmm(a,a,b) addmm(a,a,b,beta=0.5,alpha=2) addmv(v,a,w) addr(a,v,w) baddbmm(c,c,c) chain_matmul(a,b,a) cdist(x,y) cdist(x,y,1.0) det(a) logdet(a) slogdet(a) inverse(a) matrix_exp(b) matrix_power(b,3) matrix_power(b,-1) cholesky(a) pinverse(b)
linalg.norm(x) linalg.norm(x,2) linalg.norm(x,"nuc") linalg.norm(x,ord=1) linalg.norm(v,3) linalg.norm(x,dim=0) linalg.vector_norm(x) linalg.vector_norm(x,1,dim=1) linalg.matrix_norm(a) linalg.matrix_norm(a,"nuc") linalg.matrix_norm(a,2) linalg.det(a) linalg.slogdet(a) linalg.inv(a) linalg.solve(a,v) linalg.solve(a,b) linalg.solve_triangular(torch.tril(a),b,upper=False) linalg.cholesky(a) linalg.cholesky(a,upper=True) linalg.eigvalsh(a) linalg.eigh(a).eigenvalues linalg.svdvals(b) linalg.svd(b).S linalg.qr(b) linalg.pinv(b) linalg.lstsq(x[:,:2],y[:,:1]).solution linalg.matrix_exp(b) linalg.matrix_power(b,2) linalg.multi_dot([a,b,a]) linalg.vecdot(a,b) linalg.cond(a) linalg.matrix_rank(a) linalg.vander(v) linalg.diagonal(a) linalg.cross(a,b) linalg.lu(b) linalg.tensorinv(a.reshape(3,1,3),ind=1) linalg.eigvals(b).abs().sort().values linalg.inv_ex(a).inverse
fft.fft(p).abs() fft.rfft(p).abs() fft.irfft(fft.rfft(x)) fft.ifft(fft.fft(x)).real fft.fft2(x).abs() fft.fftn(c).abs() fft.rfft2(x).abs() fft.fftshift(x) fft.fftfreq(5) fft.rfftfreq(6,d=0.5) fft.fft(x,n=6,dim=0,norm="ortho").abs() fft.hfft(x+0j,n=4).abs()
"""

FUNCTIONAL = """
relu(x) relu6(4*x) elu(x) elu(x,0.5) celu(x,1.5) selu(x) gelu(x) gelu(x,approximate="tanh") silu(x) mish(x) softplus(x) softplus(x,beta=2) softplus(20*x,threshold=10) leaky_relu(x) leaky_relu(x,0.2) prelu(x,s) sigmoid(x) logsigmoid(x) hardsigmoid(3*x) hardswish(3*x) tanh(x) hardtanh(x) hardtanh(x,-0.5,0.5) softsign(x) tanhshrink(x) hardshrink(x) softshrink(x) threshold(x,0.1,-2) softmax(x,1) softmax(x,dim=-1) log_softmax(x,1) softmin(x,1) glu(x) glu(x,1) dropout(x,0.5,False) dropout(x,0.0)
linear(x,y) linear(x,y,v) embedding(i,x) one_hot(i) one_hot(i,4) normalize(x) normalize(x,p=1,dim=0) layer_norm(x,(4,)) layer_norm(x,(3,4)) layer_norm(x,(4,),y[0],y[1]) rms_norm(x,(4,)) cosine_similarity(x,y) cosine_similarity(x,y,dim=0) pairwise_distance(x,y) pad(x,(1,2)) pad(x,(1,0,0,1),value=3.0) pad(x[None],(1,1),mode="reflect") pad(x,(-1,1)) batch_norm(x,None,None,training=True)
mse_loss(x,y) mse_loss(x,y,reduction="sum") mse_loss(x,y,reduction="none") l1_loss(x,y) smooth_l1_loss(x,y) smooth_l1_loss(x,y,beta=0.5,reduction="sum") huber_loss(x,y) huber_loss(x,y,delta=0.7) cross_entropy(x,i[:3]) cross_entropy(x,i[:3],reduction="sum") cross_entropy(x,i[:3],reduction="none") cross_entropy(x,i[:3],label_smoothing=0.1) cross_entropy(x,i[:3],weight=torch.tensor([1.0,2.0,0.5,1.0])) cross_entropy(x,torch.softmax(y,1).detach()) cross_entropy(x,torch.tensor([1,-100,2])) cross_entropy(x[0],i[0]) cross_entropy(x,i[:3],weight=torch.tensor([1.0,2.0,0.5,1.0]),label_smoothing=0.2) cross_entropy(c,torch.tensor([[0,1],[1,1]])) nll_loss(x.log_softmax(1),i[:3]) nll_loss(x.log_softmax(1),i[:3],weight=torch.tensor([1.0,2.0,0.5,1.0]))
binary_cross_entropy(u,m.float()) binary_cross_entropy(u,m.float(),reduction="none") binary_cross_entropy_with_logits(x,m.float()) binary_cross_entropy_with_logits(x,m.float(),pos_weight=torch.tensor(2.0)) kl_div(x.log_softmax(1),y.softmax(1),reduction="batchmean") kl_div(x.log_softmax(1),y.log_softmax(1),log_target=True,reduction="sum") poisson_nll_loss(x,p) poisson_nll_loss(x,p,full=True) gaussian_nll_loss(x,y,p) gaussian_nll_loss(x,y,p,full=True) soft_margin_loss(x,m.float()*2-1) hinge_embedding_loss(x,m.float()*2-1) margin_ranking_loss(x,y,m.float()*2-1,margin=0.3) cosine_embedding_loss(x,y,torch.tensor([1,-1,1])) triplet_margin_loss(x,y,p) triplet_margin_loss(x,y,p,swap=True)
bilinear(x[:,:3],y[:,:3],b[None])
"""

PROMOTION = """
k+1 k+1.5 k*True k/2 k//2 k%2 k**2 k+s k*s.double() k+v[:3] v+s.double() v*torch.tensor(2) v.double()+s v+1j (k>0)+1 (k>0)*0.5 k.int()+k k.int()+k[0,0] k.to(torch.int8)+k.to(torch.uint8) torch.exp(k) torch.exp(k.to(torch.int8)) torch.sqrt(k.to(torch.uint8)) torch.sin(m) k/k k.int()/k.int() torch.tensor(3)/2 torch.tensor(3)*2.5 torch.tensor(3)+s torch.tensor(3)+s.double() torch.tensor(2.0)*k torch.tensor(2.0,dtype=torch.float64)*v torch.tensor(True)+1 torch.mean(k.float()) k.sum() (k>0).sum() k.int().sum() k.prod() k.cumsum(0) torch.where(m,1,0) torch.where(m,1.0,0) torch.where(m,x,s.double()) torch.cat([k,v[None].expand(2,3)]) torch.stack([s,s.double()]) v.double()*v v+v.to(torch.complex64) torch.tensor(1j)*v torch.abs(v.to(torch.complex64)) torch.tensor([1,2])*torch.tensor([0.5,1.5]) torch.arange(3)*0.5 torch.arange(3)/3 torch.full((2,),1) torch.full((2,),1.0) torch.full((2,),True) torch.linspace(0,1,3) torch.eye(2) torch.tensor([1,2.5]) torch.tensor([True,False]) torch.tensor([1,2])==torch.tensor([1.0,3.0]) torch.clamp(k,0,2) torch.clamp(k,0.5,2) torch.maximum(k,k.int()) torch.pow(k,2) torch.pow(k,2.0) torch.pow(2,k.abs()) torch.remainder(k,3) torch.floor_divide(k,2) torch.result_type(k,1.0) torch.promote_types(torch.int32,torch.float32) torch.can_cast(torch.float32,torch.int64) abs(k) -k ~k ~m k&1 k|1 k^1 k<<1 torch.round(x) torch.bitwise_and(m,m) 1-v 2/p 2-k 3//p 5%p torch.true_divide(k,4) torch.logical_not(k) torch.lerp(v,w,0.5) torch.as_tensor(np.array([1.5])) torch.tensor(np.array([1.5])) torch.tensor(np.float32(2)) torch.from_numpy(np.arange(3)) torch.zeros(2,dtype=torch.int32) torch.ones_like(k) torch.zeros_like(x) torch.arange(0,1,0.25) torch.arange(5,0,-2) torch.empty(0) torch.zeros(2,0) torch.tensor([]) torch.logspace(0,2,3) torch.tril_indices(3,3) torch.vander(torch.tensor([1,2,3])) torch.view_as_real(torch.tensor([1+2j])) torch.complex(v,w).real torch.polar(p,x).imag
"""


NO_GRADIENT_THERE = (
    "floor_divide", "heaviside", "//p", "5%p", "bessel", "zeta", "nan_to_num", "cdist(x,y,1.0)",
)  # fmt: skip
"""Parts of expressions whose gradient PyTorch does not have, or does not have right, at these points."""


def expressions(text: str, prefix: str = "") -> list[str]:
    """The expressions of a table (spaces stand only between them)."""
    names = {"x", "k", "p", "2", "1", "v", "c", "a", "s", "m"}
    found = []
    for part in text.split():
        bare = part.split("(")[0].split("*")[0].split("/")[0]
        needs = prefix and bare not in names and "(" in part
        found.append(prefix + part if needs else part)
    return found


CASES = [
    *expressions(ELEMENTWISE, "torch."),
    *expressions(REDUCTIONS, "torch."),
    *expressions(SHAPES, "torch."),
    *METHODS.split(),
    *expressions(
        PRODUCTS.replace("fft.irfft(fft.", "fft.irfft(torch.fft.").replace(
            "fft.ifft(fft.", "fft.ifft(torch.fft."
        ),
        "torch.",
    ),
    *expressions(FUNCTIONAL, "F."),
    *PROMOTION.split(),
]


def run(torch: Any, expression: str) -> tuple[Any, dict[str, Any]]:
    """The value of an expression, and the names it was computed from."""
    scope: dict[str, Any] = {"torch": torch, "np": np}
    exec(SETUP, scope)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return eval(expression, scope), scope


def plain(value: Any) -> Any:
    """A result as nested tuples of arrays and Python's own values."""
    if hasattr(value, "detach"):
        return np.asarray(value.detach().numpy())
    if isinstance(value, (tuple, list)):
        return tuple(plain(v) for v in value)
    return value if isinstance(value, (int, float, bool, complex)) else str(value)


def compare(mine: Any, other: Any, what: str, rtol: float) -> None:
    if isinstance(other, tuple):
        assert len(mine) == len(other), what
        for a, b in zip(mine, other, strict=True):
            compare(a, b, what, rtol)
    elif isinstance(other, np.ndarray):
        assert mine.dtype == other.dtype, f"{what}: dtype {mine.dtype}, PyTorch's {other.dtype}"
        assert mine.shape == other.shape, f"{what}: shape {mine.shape}, PyTorch's {other.shape}"
        np.testing.assert_allclose(mine, other, rtol=rtol, atol=rtol, err_msg=what)
    else:
        assert mine == other, what


def tracked(value: Any) -> list[Any]:
    """The tensors in a result that require grad."""
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tracked(v)]
    return [value] if getattr(value, "requires_grad", False) and not value.is_leaf else []


def backward(torch: Any, value: Any) -> None:
    """Differentiate a weighted sum of the elements."""
    total = None
    for n, t in enumerate(tracked(value)):
        if t.dtype in (torch.complex64, torch.complex128):
            t = t.real + 2 * t.imag
        weights = torch.cos(torch.arange(t.numel(), dtype=t.dtype) + n).reshape(t.shape)
        term = (t * weights).sum()
        total = term if total is None else total + term
    if total is not None:
        total.backward()


@pytest.mark.parametrize("expression", CASES)
def test_expression(expression: str) -> None:
    """Value, dtype, shape, gradients."""
    mine, my_scope = run(ours, expression)
    other, their_scope = run(theirs, expression)

    compare(plain(mine), plain(other), expression, 2e-5)
    if any(part in expression for part in NO_GRADIENT_THERE):
        return
    assert len(tracked(mine)) == len(tracked(other)), expression
    with np.errstate(all="ignore"):
        backward(ours, mine)
    backward(theirs, other)
    for name in LEAVES:
        a, b = my_scope[name].grad, their_scope[name].grad
        if b is None:
            assert a is None or not a.numpy().any(), f"gradient of {name}"
        else:
            found = np.zeros(b.shape, np.float32) if a is None else a.numpy()
            compare(found, b.numpy(force=True), f"gradient of {name}", 2e-4)


@pytest.mark.parametrize("expression", [e for e in CASES if "grad_fn" not in e])
def test_printing(expression: str) -> None:
    """Results print alike, their history apart (our rows are not always named as PyTorch's)."""
    texts = []
    for torch in (ours, theirs):
        value, _ = run(torch, expression)
        texts.append(repr(_detached(value)))

    if texts[0] != texts[1]:
        close_numbers(texts[0], texts[1])


def _detached(value: Any) -> Any:
    if hasattr(value, "detach"):
        return value.detach()
    if isinstance(value, (tuple, list)):
        parts = [_detached(v) for v in value]
        fields = (
            hasattr(value, "_fields")
            or "return_types" in repr(type(value))
            or "return_types" in repr(value)
        )
        return ("named", repr(value).split("(")[0], parts) if fields else type(value)(parts)
    return value


def close_numbers(mine: str, other: str) -> None:
    """Texts that differ may do so in the last printed digit, from rounding."""
    number = r"-?\d+\.?\d*(?:e[-+]\d+)?|-?inf|nan"
    assert re.sub(number, "#", mine).split() == re.sub(number, "#", other).split()
    a, b = ([float(t) for t in re.findall(number, text)] for text in (mine, other))
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1.1e-4)


# --- programs ------------------------------------------------------------------------------------


def printed(torch: Any, text: str) -> str:
    """What a program prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        exec(text, {"torch": torch, "np": np})
    return out.getvalue()


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    """A program prints the same."""
    mine, other = printed(ours, PROGRAMS[name]), printed(theirs, PROGRAMS[name])

    if mine != other:
        close_numbers(mine, other)


@pytest.mark.parametrize("text", ERRORS)
def test_error(text: str) -> None:
    """What PyTorch refuses is refused, with an error of a kind that its programs would catch."""
    kinds: list[type[Exception]] = []
    for torch in (theirs, ours):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the kinds are compared
            printed(torch, text)
        kinds.append(caught.type)

    assert issubclass(kinds[1], (kinds[0], ChainruleError)), kinds
