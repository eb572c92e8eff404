/* What a C programmer would write for benchmarks/compiler/cases.py. */
#include <math.h>

void fused(const double *a, const double *b, double *y, long n) {
    for (long i = 0; i < n; i++) y[i] = 3 * a[i] * a[i] + b[i] + exp(a[i] * b[i]);
}

void sum(const double *x, double *y, long n, long m) {
    for (long i = 0; i < n; i++) {
        double s = 0;
        for (long j = 0; j < m; j++) s += x[i * m + j];
        y[i] = s;
    }
}

static double largest(const double *x, long m) {
    double most = x[0];
    for (long j = 1; j < m; j++) most = x[j] > most ? x[j] : most;
    return most;
}

void logsumexp(const double *x, double *y, long n, long m) {
    for (long i = 0; i < n; i++) {
        double most = largest(x + i * m, m), s = 0;
        for (long j = 0; j < m; j++) s += exp(x[i * m + j] - most);
        y[i] = log(s) + most;
    }
}

void softmax(const double *x, double *y, long n, long m) {
    for (long i = 0; i < n; i++) {
        double most = largest(x + i * m, m), s = 0;
        for (long j = 0; j < m; j++) s += y[i * m + j] = exp(x[i * m + j] - most);
        for (long j = 0; j < m; j++) y[i * m + j] /= s;
    }
}

/* A point seen by a camera: rotation vector, translation, focal length, distortion, center. */
typedef struct {
    double angle, c, s, w[3], v[3], along, y[3], q[2], n, d;
} Seen;

static void see(const double *cam, const double *p, Seen *o) {
    const double *r = cam, *t = cam + 3;
    o->angle = sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
    o->c = cos(o->angle), o->s = sin(o->angle);
    double *w = o->w, *v = o->v;
    for (int i = 0; i < 3; i++) w[i] = r[i] / o->angle;
    for (int i = 0; i < 3; i++) v[i] = w[(i + 1) % 3] * p[(i + 2) % 3] - w[(i + 2) % 3] * p[(i + 1) % 3];
    o->along = w[0] * p[0] + w[1] * p[1] + w[2] * p[2];
    for (int i = 0; i < 3; i++)
        o->y[i] = p[i] * o->c + v[i] * o->s + w[i] * o->along * (1 - o->c) + t[i];
    o->q[0] = o->y[0] / o->y[2], o->q[1] = o->y[1] / o->y[2];
    o->n = o->q[0] * o->q[0] + o->q[1] * o->q[1];
    o->d = 1 + cam[7] * o->n + cam[8] * o->n * o->n;
}

void reproject(const double *cams, const double *points, const long *i, const long *j, double *out, long n) {
    for (long k = 0; k < n; k++) {
        const double *cam = cams + 11 * i[k];
        Seen o;
        see(cam, points + 3 * j[k], &o);
        for (int a = 0; a < 2; a++) out[2 * k + a] = o.q[a] * cam[6] * o.d + cam[9 + a];
    }
}

/* Its derivatives by the camera, 2 x 11, and by the point, 2 x 3, derived by hand. */
void reproject_jacobian(const double *cams, const double *points, const long *i, const long *j,
                        double *by_camera, double *by_point, long n) {
    for (long k = 0; k < n; k++) {
        const double *cam = cams + 11 * i[k], *p = points + 3 * j[k];
        double *jc = by_camera + 22 * k, *jp = by_point + 6 * k;
        Seen o;
        see(cam, p, &o);
        double f = cam[6], slope = 2 * f * (cam[7] + 2 * cam[8] * o.n), by_y[2][3];
        for (int a = 0; a < 2; a++) {
            double by_q[2];
            for (int b = 0; b < 2; b++) by_q[b] = (a == b) * f * o.d + slope * o.q[a] * o.q[b];
            by_y[a][0] = by_q[0] / o.y[2], by_y[a][1] = by_q[1] / o.y[2];
            by_y[a][2] = -(by_q[0] * o.q[0] + by_q[1] * o.q[1]) / o.y[2];
        }
        double turned[3], by_w[3][3], dr[3][3], dp[3][3];
        for (int a = 0; a < 3; a++) {
            turned[a] = -p[a] * o.s + o.v[a] * o.c + o.w[a] * o.along * o.s;
            for (int b = 0; b < 3; b++) {
                by_w[a][b] = (1 - o.c) * (o.w[a] * p[b] + (a == b) * o.along);
                dp[a][b] = (1 - o.c) * o.w[a] * o.w[b] + (a == b) * o.c;
            }
        }
        for (int a = 0; a < 3; a++) {
            int b = (a + 1) % 3, c = (a + 2) % 3;
            by_w[a][b] += o.s * p[c], by_w[a][c] -= o.s * p[b];
            dp[a][b] -= o.s * o.w[c], dp[a][c] += o.s * o.w[b];
        }
        for (int a = 0; a < 3; a++) {
            double radial = by_w[a][0] * o.w[0] + by_w[a][1] * o.w[1] + by_w[a][2] * o.w[2];
            for (int b = 0; b < 3; b++)
                dr[a][b] = turned[a] * o.w[b] + (by_w[a][b] - radial * o.w[b]) / o.angle;
        }
        for (int a = 0; a < 2; a++) {
            for (int b = 0; b < 3; b++) {
                double r = 0, q = 0;
                for (int c = 0; c < 3; c++) r += by_y[a][c] * dr[c][b], q += by_y[a][c] * dp[c][b];
                jc[11 * a + b] = r, jc[11 * a + 3 + b] = by_y[a][b], jp[3 * a + b] = q;
            }
            jc[11 * a + 6] = o.q[a] * o.d;
            jc[11 * a + 7] = o.q[a] * f * o.n, jc[11 * a + 8] = o.q[a] * f * o.n * o.n;
            jc[11 * a + 9] = a == 0, jc[11 * a + 10] = a == 1;
        }
    }
}
