# A CPU or CUDA studio as an ordinary user; everything it keeps is under /data.
# docker build -t atelier . && docker run -p 7860:7860 -v atelier:/data atelier
FROM python:3.12-slim

RUN useradd --create-home --uid 1000 artist && mkdir /data && chown artist /data
WORKDIR /home/artist/atelier

COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt

COPY --chown=artist . .
USER artist
ENV ATELIER_HOME=/data \
    HF_HOME=/data/huggingface \
    GRADIO_ANALYTICS_ENABLED=False \
    PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 7860
# Python does not end by SIGTERM when it is process 1; an interrupt closes the engine and saves what is done.
STOPSIGNAL SIGINT
CMD ["python", "app.py", "--host", "0.0.0.0", "--port", "7860"]
