pub mod differentiable;
