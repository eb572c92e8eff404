/* What a C programmer would write for benchmarks/loops/cases.py. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

double descend(double x, long n) {
    for (long i = 0; i < n; i++) x = x - 1e-7 * (3 * (x * x));
    return x;
}

static void field(const double *s, double k, double *d) {
    d[0] = s[2];
    d[1] = s[3];
    d[2] = -k * s[0] + 0.1 * s[1];
    d[3] = -s[1] + 0.1 * s[0] * s[1];
}

double rk4(const double *s0, double k, long n) {
    double s[4], a[4], b[4], c[4], d[4], t[4], h = 1e-4;
    memcpy(s, s0, sizeof s);
    for (long i = 0; i < n; i++) {
        field(s, k, a);
        for (int j = 0; j < 4; j++) t[j] = s[j] + 0.5 * h * a[j];
        field(t, k, b);
        for (int j = 0; j < 4; j++) t[j] = s[j] + 0.5 * h * b[j];
        field(t, k, c);
        for (int j = 0; j < 4; j++) t[j] = s[j] + h * c[j];
        field(t, k, d);
        for (int j = 0; j < 4; j++) s[j] += h / 6 * (a[j] + 2 * b[j] + 2 * c[j] + d[j]);
    }
    return s[0] + s[1];
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

double lstm(const double *w1, const double *w2, const double *xs, long n, long m) {
    /* two layers of m cells; weights are 4m x 2m */
    double *h1 = calloc(m, 8), *c1 = calloc(m, 8), *h2 = calloc(m, 8), *c2 = calloc(m, 8);
    double *z = malloc(4 * m * 8);
    for (long t = 0; t < n; t++)
        for (int layer = 0; layer < 2; layer++) {
            const double *w = layer ? w2 : w1, *x = layer ? h1 : xs + t * m;
            double *h = layer ? h2 : h1, *c = layer ? c2 : c1;
            for (long i = 0; i < 4 * m; i++) {
                double sum = 0;
                for (long j = 0; j < m; j++) sum += w[i * 2 * m + j] * x[j];
                for (long j = 0; j < m; j++) sum += w[i * 2 * m + m + j] * h[j];
                z[i] = sum;
            }
            for (long i = 0; i < m; i++) {
                c[i] = sigmoid(z[i]) * c[i] + sigmoid(z[m + i]) * tanh(z[2 * m + i]);
                h[i] = sigmoid(z[3 * m + i]) * tanh(c[i]);
            }
        }
    double sum = 0;
    for (long i = 0; i < m; i++) sum += h2[i] * h2[i];
    free(h1), free(c1), free(h2), free(c2), free(z);
    return sum;
}

double heat(const double *u0, double k, long cells, long n) {
    double *u = malloc(cells * 8), *v = malloc(cells * 8);
    memcpy(u, u0, cells * 8);
    memcpy(v, u0, cells * 8);
    for (long t = 0; t < n; t++) {
        for (long i = 1; i < cells - 1; i++) v[i] = u[i] + k * (u[i + 1] - 2 * u[i] + u[i - 1]);
        double *w = u;
        u = v;
        v = w;
    }
    double sum = 0;
    for (long i = 0; i < cells; i++) sum += u[i] * u[i];
    free(u), free(v);
    return sum;
}

double kepler(const double *means, double e, long n) {
    double total = 0;
    for (long i = 0; i < n; i++) {
        double m = means[i], x = m, step = 1;
        while (fabs(step) > 1e-10) {
            step = (x - e * sin(x) - m) / (1 - e * cos(x));
            x -= step;
        }
        total += x;
    }
    return total;
}

double newton(const double *ps, double a, long n) {
    double y = 1, total = 0;
    for (long i = 0; i < n; i++) {
        double p = ps[i], step = 1;
        while (fabs(step) > 1e-10) {
            step = (y * y * y + p * y - a) / (3 * y * y + p);
            y -= step;
        }
        total += y;
    }
    return total;
}

double escape(double a, double b, long n) {
    double x = 0, y = 0;
    long k = 0;
    while (k < n && x * x + y * y < 4) {
        double t = x * x - y * y + a;
        y = 2 * x * y + b;
        x = t;
        k++;
    }
    return x + y + k;
}

double call_price(double s0, double sigma, double rate, const double *z, long steps, long paths) {
    double dt = 1.0 / steps, drift = (rate - 0.5 * sigma * sigma) * dt, spread = sigma * sqrt(dt);
    double total = 0;
    for (long p = 0; p < paths; p++) {
        double x = s0;
        for (long t = 0; t < steps; t++) x *= exp(drift + spread * z[t * paths + p]);
        total += x > 100 ? x - 100 : 0;
    }
    return exp(-rate) * total / paths;
}

static double minors(const double *a, int size, int row, const int *columns, int n) {
    if (n == 1) return a[row * size + columns[0]];
    double total = 0;
    for (int k = 0; k < n; k++) {
        int rest[8];
        for (int j = 0, c = 0; j < n; j++)
            if (j != k) rest[c++] = columns[j];
        double part = a[row * size + columns[k]] * minors(a, size, row + 1, rest, n - 1);
        total += k % 2 ? -part : part;
    }
    return total;
}

double determinant_unshared(const double *a, long n) {
    int columns[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    return minors(a, n, 0, columns, n);
}

/* Every minor once: the last rows, with the columns of a set, from smaller sets on. */
double determinant(const double *a, long n) {
    double minor[256];
    minor[0] = 1;
    for (int set = 1; set < 1 << n; set++) {
        const double *row = a + (n - __builtin_popcount(set)) * n;
        double total = 0, sign = 1;
        for (int k = 0; k < n; k++)
            if (set >> k & 1) {
                total += sign * row[k] * minor[set & ~(1 << k)];
                sign = -sign;
            }
        minor[set] = total;
    }
    return minor[(1 << n) - 1];
}
