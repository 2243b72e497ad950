"""What a worker can say of its own Hessian, and what a server can make of gradients about a point.

`differences` turns a function's gradients into products and Hessians with an error, `lanczos` turns
products into a proved lower bound of the lowest eigenvalue. `stencils` and `krylov` are for a
server whose workers answer gradients only.
"""
