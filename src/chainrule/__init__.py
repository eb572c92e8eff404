"""Exact derivatives of ordinary Python numerical code. The public names, and nothing else."""

from numpy import (
    bool,
    can_cast,
    complex64,
    complex128,
    e,
    float32,
    float64,
    iinfo,
    inf,
    int8,
    int16,
    int32,
    int64,
    isdtype,
    nan,
    newaxis,
    pi,
    result_type,
    uint8,
    uint16,
    uint32,
    uint64,
)

from chainrule import (
    algebra,
    fft,
    linalg,
    random,
    special,
)
from chainrule.algebra import (
    hadamard,
    hadamard_div,
    kron,
    outer,
    unvec,
    vec,
)
from chainrule.codegen.cache import get_cache_dir, set_cache_dir
from chainrule.codegen.pool import get_num_threads, set_num_threads
from chainrule.creation import (
    array,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    full,
    full_like,
    get_default_dtype,
    identity,
    ones,
    ones_like,
    set_default_dtype,
    zeros,
    zeros_like,
)
from chainrule.errors import (
    ArgumentError,
    BoundsError,
    ChainruleError,
    DtypeError,
    GraphError,
    LoopError,
    MatrixError,
    MissingDerivative,
    MissingMachineCode,
    NaNError,
    ShapeError,
    StructureError,
    TracedValueError,
)
from chainrule.ops.contraction import (
    cross,
    dot,
    inner,
    matmul,
    matvec,
    multi_dot,
    tensordot,
    vecdot,
    vecmat,
)
from chainrule.ops.convolution import (
    convolve,
    convolve_nd,
    correlate,
    correlate_nd,
)
from chainrule.ops.cumulative import (
    cummax,
    cummin,
    cumulative_prod,
    cumulative_sum,
    diff,
    logcumsumexp,
)
from chainrule.ops.diagonal import (
    diag,
    diagflat,
    diagonal,
    trace,
    tril,
    triu,
)
from chainrule.ops.editing import (
    append,
    apply_along_axis,
    apply_over_axes,
    block,
    delete,
    insert,
    partition,
    resize,
    rollaxis,
    sort_complex,
    trim_zeros,
)
from chainrule.ops.einsum import (
    einsum,
)
from chainrule.ops.elementwise import (
    abs,
    acos,
    acosh,
    add,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    cbrt,
    ceil,
    clip,
    conj,
    copysign,
    cos,
    cosh,
    deg2rad,
    degrees,
    divide,
    equal,
    exp,
    exp2,
    expm1,
    fabs,
    floor,
    floor_divide,
    fmax,
    fmin,
    fmod,
    greater,
    greater_equal,
    heaviside,
    hypot,
    imag,
    isfinite,
    isinf,
    isnan,
    ldexp,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logaddexp2,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    nan_to_num,
    negative,
    nextafter,
    not_equal,
    positive,
    pow,
    power,
    rad2deg,
    radians,
    real,
    reciprocal,
    remainder,
    rint,
    round,
    sign,
    signbit,
    sin,
    sinc,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    trunc,
    where,
)
from chainrule.ops.gaps import (
    nanargmax,
    nanargmin,
    nancumprod,
    nancumsum,
    nanmedian,
    nanpercentile,
    nanquantile,
)
from chainrule.ops.indexing import (
    scatter_add,
    take,
    take_along_axis,
)
from chainrule.ops.joining import (
    array_split,
    column_stack,
    concat,
    dsplit,
    dstack,
    hsplit,
    hstack,
    meshgrid,
    pad,
    repeat,
    split,
    stack,
    tile,
    unstack,
    vsplit,
    vstack,
)
from chainrule.ops.movement import (
    astype,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    broadcast_arrays,
    broadcast_to,
    copy,
    expand_dims,
    flatten,
    flip,
    fliplr,
    flipud,
    matrix_transpose,
    moveaxis,
    permute_dims,
    ravel,
    reshape,
    roll,
    rot90,
    squeeze,
    swapaxes,
)
from chainrule.ops.parts import (
    angle,
    bitwise_count,
    divmod,
    float_power,
    frexp,
    gcd,
    iscomplex,
    isneginf,
    isposinf,
    isreal,
    lcm,
    modf,
    real_if_close,
    spacing,
    vdot,
)
from chainrule.ops.polynomial import (
    poly,
    polyadd,
    polyder,
    polydiv,
    polyfit,
    polyint,
    polymul,
    polysub,
    polyval,
    roots,
    vander,
)
from chainrule.ops.reduction import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    count_nonzero,
    log_softmax,
    logsumexp,
    max,
    mean,
    min,
    prod,
    softmax,
    std,
    sum,
    var,
)
from chainrule.ops.sampled import (
    bincount,
    ediff1d,
    gradient,
    histogram,
    histogram_bin_edges,
    interp,
    unwrap,
)
from chainrule.ops.selection import (
    argsort,
    argwhere,
    choose,
    compress,
    digitize,
    extract,
    flatnonzero,
    isin,
    nonzero,
    piecewise,
    put_along_axis,
    searchsorted,
    select,
    sort,
    topk,
    unique,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
)
from chainrule.ops.sets import (
    intersect1d,
    setdiff1d,
    setxor1d,
    union1d,
)
from chainrule.ops.statistics import (
    average,
    corrcoef,
    cov,
    median,
    nanmax,
    nanmean,
    nanmin,
    nanprod,
    nanstd,
    nansum,
    nanvar,
    percentile,
    ptp,
    quantile,
    trapezoid,
)
from chainrule.printing import (
    set_printoptions,
)
from chainrule.record.control_flow import (
    cond,
    fori_loop,
    map,
    scan,
    while_loop,
)
from chainrule.record.mode import (
    enable_grad,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from chainrule.spaced import (
    arange,
    geomspace,
    linspace,
    logspace,
)
from chainrule.standard import (
    __array_api_version__,
    __array_namespace_info__,
    finfo,
)
from chainrule.tensor import (
    Tensor,
    tensor,
)
from chainrule.transforms.anomaly import (
    detect_anomaly,
)
from chainrule.transforms.check_grad import (
    check_grad,
)
from chainrule.transforms.checkpoint import (
    checkpoint,
)
from chainrule.transforms.compiling import (
    get_compile_walks,
    set_compile_walks,
)
from chainrule.transforms.custom import (
    custom_jvp,
    custom_vjp,
)
from chainrule.transforms.export import (
    export,
)
from chainrule.transforms.exported import (
    Exported,
)
from chainrule.transforms.grad import (
    grad,
    value_and_grad,
)
from chainrule.transforms.gradient_report import (
    GradientMismatch,
    GradientReport,
)
from chainrule.transforms.hessian import (
    hessian,
)
from chainrule.transforms.hvp import (
    hvp,
)
from chainrule.transforms.implicit import (
    implicit,
)
from chainrule.transforms.jacobian import (
    jacobian,
)
from chainrule.transforms.jet import (
    jet,
)
from chainrule.transforms.jit import (
    jit,
)
from chainrule.transforms.jvp import (
    jvp,
    linearize,
)
from chainrule.transforms.stop_gradient import (
    stop_gradient,
)
from chainrule.transforms.vjp import (
    vjp,
)
from chainrule.transforms.vmap import (
    vmap,
)
from chainrule.version import (
    __version__,
)

__all__ = [
    "ArgumentError", "BoundsError", "ChainruleError", "DtypeError", "Exported",
    "GradientMismatch", "GradientReport", "GraphError", "LoopError", "MatrixError",
    "MissingDerivative", "MissingMachineCode", "NaNError", "ShapeError", "StructureError",
    "Tensor", "TracedValueError", "__array_api_version__",
    "__array_namespace_info__", "__version__", "abs", "acos", "acosh", "add", "algebra", "all",
    "amax", "amin", "angle", "any", "append", "apply_along_axis", "apply_over_axes", "arange",
    "argmax", "argmin", "argsort", "argwhere", "array", "array_split", "asarray", "asin", "asinh",
    "astype", "atan", "atan2", "atanh", "atleast_1d", "atleast_2d", "atleast_3d", "average",
    "bincount", "bitwise_and", "bitwise_count", "bitwise_invert", "bitwise_left_shift",
    "bitwise_or", "bitwise_right_shift", "bitwise_xor", "block", "bool", "broadcast_arrays",
    "broadcast_to", "can_cast", "cbrt", "ceil", "check_grad", "checkpoint", "choose", "clip",
    "column_stack", "complex128", "complex64", "compress", "concat", "cond", "conj", "convolve",
    "convolve_nd", "copy", "copysign", "corrcoef", "correlate", "correlate_nd", "cos", "cosh",
    "count_nonzero", "cov", "cross", "cummax", "cummin", "cumulative_prod", "cumulative_sum",
    "custom_jvp", "custom_vjp", "deg2rad", "degrees", "delete", "detect_anomaly", "diag",
    "diagflat", "diagonal", "diff", "digitize", "divide", "divmod", "dot", "dsplit", "dstack",
    "e", "ediff1d", "einsum", "empty", "empty_like", "enable_grad", "equal", "exp", "exp2",
    "expand_dims", "expm1", "export", "extract", "eye", "fabs", "fft", "finfo", "flatnonzero",
    "flatten",
    "flip", "fliplr", "flipud", "float32", "float64", "float_power", "floor", "floor_divide",
    "fmax", "fmin", "fmod", "fori_loop", "frexp", "from_dlpack", "full", "full_like", "gcd",
    "geomspace", "get_cache_dir", "get_compile_walks", "get_default_dtype", "get_num_threads",
    "grad", "gradient",
    "greater", "greater_equal", "hadamard", "hadamard_div", "heaviside", "hessian", "histogram",
    "histogram_bin_edges", "hsplit",
    "hstack", "hvp", "hypot", "identity", "iinfo", "imag", "implicit", "inf", "inner", "insert",
    "int16", "int32", "int64", "int8", "interp", "intersect1d", "is_grad_enabled", "iscomplex",
    "isdtype", "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf", "isreal", "jacobian",
    "jet", "jit", "jvp", "kron", "lcm", "ldexp", "less", "less_equal", "linalg",
    "linearize", "linspace",
    "log", "log10", "log1p", "log2", "log_softmax", "logaddexp", "logaddexp2", "logcumsumexp",
    "logical_and", "logical_not", "logical_or", "logical_xor", "logspace", "logsumexp", "map",
    "matmul", "matrix_transpose", "matvec", "max", "maximum", "mean", "median", "meshgrid", "min",
    "minimum", "modf", "moveaxis", "multi_dot", "multiply", "nan", "nan_to_num", "nanargmax",
    "nanargmin", "nancumprod", "nancumsum", "nanmax", "nanmean", "nanmedian", "nanmin",
    "nanpercentile", "nanprod", "nanquantile", "nanstd", "nansum", "nanvar", "negative",
    "newaxis", "nextafter", "no_grad", "nonzero", "not_equal", "ones", "ones_like", "outer",
    "pad", "partition", "percentile", "permute_dims", "pi", "piecewise", "poly", "polyadd",
    "polyder", "polydiv", "polyfit", "polyint", "polymul", "polysub", "polyval", "positive",
    "pow", "power", "prod", "ptp", "put_along_axis", "quantile", "rad2deg", "radians", "random",
    "ravel", "real", "real_if_close", "reciprocal", "remainder", "repeat", "reshape", "resize",
    "result_type", "rint", "roll", "rollaxis", "roots", "rot90", "round", "scan", "scatter_add",
    "searchsorted", "select", "set_cache_dir", "set_compile_walks", "set_default_dtype",
    "set_grad_enabled", "set_num_threads", "set_printoptions",
    "setdiff1d", "setxor1d", "sign", "signbit", "sin", "sinc", "sinh", "softmax", "sort",
    "sort_complex", "spacing", "special", "split", "sqrt", "square", "squeeze", "stack", "std",
    "stop_gradient", "subtract", "sum", "swapaxes", "take", "take_along_axis", "tan", "tanh",
    "tensor", "tensordot", "tile", "topk", "trace", "trapezoid", "tril", "trim_zeros", "triu",
    "trunc", "uint16", "uint32", "uint64", "uint8", "union1d", "unique", "unique_all",
    "unique_counts", "unique_inverse", "unique_values", "unstack", "unvec", "unwrap",
    "value_and_grad", "vander", "var", "vdot", "vec", "vecdot", "vecmat", "vjp", "vmap", "vsplit",
    "vstack", "where", "while_loop", "zeros", "zeros_like",
]  # fmt: skip
