# clinspan with its starter model, from this checkout:
#   docker build --tag clinspan .
#   docker run --rm --read-only --tmpfs /tmp --cap-drop=ALL --publish 8080:8080 clinspan
#   docker run --rm --interactive --network=none clinspan extract - < note.txt
# `clinspan package container` makes a folder whose image holds a bundle of your own and builds without a network.
ARG BASE=python:3.12-slim
FROM ${BASE} AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY export/clinspan_export export/clinspan_export
RUN python -m venv /clinspan && /clinspan/bin/python -m pip install --no-cache-dir --compile ".[cpu]"

FROM ${BASE}
COPY --from=build /clinspan /clinspan
ENV PATH=/clinspan/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["clinspan"]
CMD ["serve", "--host=0.0.0.0", "--port=8080"]
