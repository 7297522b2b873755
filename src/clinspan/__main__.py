import sys

from clinspan.cli import main

sys.exit(main())
