"""Run ``caged`` as ``python -m cage.server``, which is how workers are started."""

from cage.server.main import main

if __name__ == "__main__":
    main()
