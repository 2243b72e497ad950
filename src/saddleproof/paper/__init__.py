"""The paper (Yin et al. 2019), one statement a file: its formula, then its experiment.

`theorem3.py` holds what Theorem 3 says: first the bounds as functions, then an experiment that
could refute them, with the falsified form that must fail and the figure. `lemma2.py` and
`theorem3_proof.py` hold formulas alone; they are measured with Lemma 3, Observation 1 and
Proposition 2. `vacuity.py` asks where Theorem 3 promises something. Theorem 6 is in `table3.py`.

    symbols.py       where each symbol, equation and algorithm of the paper is in this library
    table.py         the experiments, by name
    arguments.py     ranges of the formulas' arguments
    experiments/     what the experiments share

`saddleproof.theory` lists the formulas; `saddleproof reproduce` runs the experiments. The schedules
of Theorems 3 and 4 are in `saddleproof.schedule`, below the optimizers that use them.

The arguments of the formulas:

    inexactness Delta       of the gradient oracle (Definition 3)
    smoothness L            of F; every step has length eta = 1/L
    hessian_lipschitz rho   of F
    curvature gamma         lambda_min(Hessian at w~) <= -gamma < 0
    excess F_0 - F*         how far F can fall from the start
    r, R, Q, T_th           as in Algorithm 1
    width mu                of the stuck region (Lemma 2)
    alpha, m, n, d          Byzantine share b / m, workers, samples a worker, dimension
"""
