"""Whether an exported policy chooses as the Python agent does, where neither Python nor this package is: in Node."""
