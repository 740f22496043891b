//! What an upstream offers: its tools, prompts and resources as last seen, with the schemas that type their arguments.
