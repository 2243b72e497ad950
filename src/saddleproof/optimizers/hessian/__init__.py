"""`HessianPGD`: steps along negative curvature that workers' own Hessians prove, for small d."""
